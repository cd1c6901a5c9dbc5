"""What the README says one can type."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
from pathlib import Path

import click
import httpx
import pytest
from lab_project import ROOT, Project

from runbook_lib.__main__ import cli

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"(?m)^\.venv/bin/runbook ([^#\n]+)", README)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_documented_command_is_one(line: str) -> None:
    words = shlex.split(line)
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_parser(click.Context(command)).parse_args(words)  # refuses what it does not know


def test_every_documented_target_is_in_the_makefile() -> None:
    targets = set(re.findall(r"(?m)^make (\w+)", README))
    assert {"rehearse", "test", "lab"} <= targets
    assert targets <= set(re.findall(r"(?m)^(\w+):", (ROOT / "Makefile").read_text()))


@pytest.mark.bots
@pytest.mark.parametrize("project", [44], indirect=True)
def test_a_dry_run_by_hand_changes_nothing(project: Project) -> None:
    with project.edited() as site:
        for producer in site["producers"].values():
            producer["pairs"] = list(producer["pairs"])[:1]
        site["gates"]["minimum_cells"] = 1000
    assert _say(project, "run", "--change", "early", expect=10).count("runbook lab up") == 1
    _say(project, "lab", "up")
    try:
        _say(project, "lab", "status")
        before = _files(project.root / ".lab" / "hosts")
        asked = _asked()
        planned = _say(project, "plan", "--site", "lab", "--change", "look")
        assert "external_message_consumer" in planned
        assert "restart freqtrade.service" in planned
        assert sorted(path.name for path in (project.root / "outputs/look/plans").iterdir()) == [
            "30_producers.json",
            "40_consumers.json",
        ]
        assert _files(project.root / ".lab" / "hosts") == before
        assert _asked() == asked, "a plan asked the exchange for something"
        phases = ("10_preflight", "30_producers", "40_consumers")
        only = [word for name in phases for word in ("--only", name)]
        said = _say(project, "run", "--change", "look", "--dry-run", *only, expect=0)
        assert "dry run" in said
        assert _files(project.root / ".lab" / "hosts") == before
        assert "Inconclusive" in _say(project, "report", "--change", "look")
        diff = (project.root / "outputs" / "look" / "notebooks" / "40_consumers.ipynb").read_text()
        assert "external_message_consumer" in diff
    finally:
        _say(project, "lab", "down")
    _say(project, "lab", "status", expect=10)
    assert project.processes() == []


def _say(project: Project, *words: str, expect: int = 0) -> str:
    ended = subprocess.run(
        project.runbook(*words), cwd=project.root, capture_output=True, text=True, timeout=300, check=False
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == expect, said
    return said


def _asked() -> dict[str, int]:
    """Count what the exchange was asked by those who have no bot yet: the operator, and producers to be."""
    told = [
        httpx.get("http://127.0.0.1:19144/requests", params={"source": source}, trust_env=False).json()
        for source in ("operator", "73", "108")
    ]
    return {source: len(requests) for source, requests in zip(("operator", "73", "108"), told, strict=True)}


def _files(hosts: Path) -> dict[str, tuple[str, int]]:
    """Digest and modification time of all that is not written by the bots themselves as they run."""
    own = ("logs/", ".sqlite", "journal/", "user_data/data/", "root/tmp/", "root/run/", "__pycache__")
    found = {
        str(path.relative_to(hosts)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(hosts.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    kept = {name: seen for name, seen in found.items() if not any(part in name for part in own)}
    assert sum(name.endswith("user_data/config.json") for name in kept) == 4
    return kept
