"""The real migration, struck down at seeded events, resumed, and undone to the byte: a sample of the sweep."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest
from lab_project import ROOT, Project

from runbook_lib.change.journal import Event, read
from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder

CHANGE = "struck"
PAIRS = 1  # of each producer
SEED = 20251123
FAULTS = ROOT / "tests" / "sweep" / "faults"
OWN_WRITING = ("logs", "trades.sqlite", "__pycache__", ".runbook", ".journal")
"""What bots, hosts and the record of a change write by themselves, before, during and after."""

pytestmark = [pytest.mark.bots, pytest.mark.xdist_group("struck")]


def struck(project: Project, verb: str, fault: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Carry out a command, and let a fault come; "" for none."""
    trace = project.root / "trace"
    trace.unlink(missing_ok=True)
    env = {**os.environ, "PYTHONPATH": str(FAULTS), "SWEEP_TRACE": str(trace), "SWEEP_FAULT": fault}
    ended = subprocess.run(
        project.runbook(verb, "--change", CHANGE, *more), cwd=project.root, env=env, capture_output=True, text=True,
        timeout=1800, check=False,
    )  # fmt: skip
    assert not fault or "struck" in trace.read_text(), f"{fault} never came: {ended.stdout}{ended.stderr}"
    return ended


def tree(project: Project) -> dict[str, tuple[str, int, int]]:
    """Return every file and link of every host: digest, mode and, of what is not directory, when it was written."""
    found = {}
    for home in sorted((project.root / ".lab" / "hosts").glob("*/root/home/freqai")):
        for path in sorted(home.rglob("*")):
            name = str(path.relative_to(home.parents[3]))
            if ".venv" in path.parts or any(part.startswith(OWN_WRITING) for part in path.parts):
                continue
            about = path.lstat()
            if path.is_symlink():
                found[name] = (str(path.readlink()), 0, 0)
            elif path.is_file():
                found[name] = (hashlib.sha256(path.read_bytes()).hexdigest(), about.st_mode, about.st_mtime_ns)
            else:
                found[name] = ("directory", about.st_mode, 0)
    return found


def _settled(project: Project) -> None:
    """Wait until every feeder asks the exchange: what freqtrade itself writes when it starts is there then."""
    deadline = time.monotonic() + 90
    logs = [
        project.root / f".lab/hosts/{host}/root/home/freqai/freqtrade/user_data/logs/exchange_requests.log"
        for host in ("75", "120", "121", "124")
    ]
    while not all(log.exists() and "klines" in log.read_text() for log in logs):
        assert time.monotonic() < deadline, "feeders do not start"
        time.sleep(0.5)


def journal(project: Project) -> list[Event]:
    return list(read(project.root / "outputs" / CHANGE / "journal.jsonl"))


def event_in(rng: random.Random, phase: str) -> str:
    """Choose an event among those of a phase's steps."""
    first, last = {"30_producers": (6, 140), "40_consumers": (8, 280), "90_rollback": (8, 80)}[phase]
    return f"{phase}:{rng.randint(first, last)}"


@pytest.mark.parametrize("project", [46], indirect=True)
def test_the_real_migration_is_resumed_and_undone_wherever_it_is_struck_down(project: Project) -> None:
    rng = random.Random(SEED)
    with project.edited() as site:
        for producer in site["producers"].values():
            producer["pairs"] = list(producer["pairs"])[:PAIRS]
        site["gates"]["minimum_cells"] = 1000
        site["gates"]["canary_candles"] = 1
        site["gates"]["drill_candles"] = 1
        site["gates"]["drill_both"] = False
    project.carry_out("lab", "up")
    try:
        _settled(project)
        original = tree(project)

        fault = f"runner after {event_in(rng, '30_producers')}"
        first = struck(project, "run", fault, "--approve", "all")
        assert first.returncode == -9
        assert journal(project)[-1].phase == "30_producers"

        fault = f"kernel after {event_in(rng, '40_consumers')}"
        second = struck(project, "run", fault, "--resume", "--approve", "all")
        assert second.returncode == 8, second.stdout + second.stderr
        assert journal(project)[-2].phase == "40_consumers"

        third = struck(project, "run", "", "--resume", "--approve", "all")
        assert third.returncode == 0, third.stdout + third.stderr
        predicate = statement.read(ChangeFolder(project.root / "outputs", CHANGE))["predicate"]
        assert predicate["verdict"] == "Successful"
        assert predicate["figures"]["candle_requests_per_candle_after"] == 2 * PAIRS
        assert tree(project) != original

        held = struck(project, "rollback", "")
        assert held.returncode == 11, held.stdout + held.stderr

        fault = f"sockets after {event_in(rng, '90_rollback')}"
        back = struck(project, "rollback", fault, "--approve", "before_rollback")
        assert back.returncode == 4, back.stdout + back.stderr

        again = struck(project, "rollback", "", "--approve", "before_rollback")
        assert again.returncode == 0, again.stdout + again.stderr
        assert f"{8 * PAIRS} candle requests per candle again" in again.stdout
        now = tree(project)
        assert {name for name in {*original, *now} if original.get(name) != now.get(name)} == set()
        _proven_in_the_record(project.root / "outputs" / CHANGE)
    finally:
        project.carry_out("lab", "down", "--keep")


def _proven_in_the_record(folder: Path) -> None:
    predicate = json.loads((folder / "record.json").read_text())["predicate"]
    claims = {claim["id"]: claim["verdict"] for claim in predicate["claims"]}
    assert claims["C9"] == "Successful", predicate["claims"]
    assert predicate["verdict"] == "Successful"
    assert predicate["sentence"].startswith("rolled back")
