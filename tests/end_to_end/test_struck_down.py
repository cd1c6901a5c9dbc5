"""The real migration, struck down at seeded events, resumed, and undone to the byte: a sample of the sweep.

`make test` strikes it down in one way, `make sweep` in the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from lab_project import ROOT, Project
from ruamel.yaml import YAML

from runbook_lib.change.journal import Event, read
from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder

CHANGE = "struck"
PAIRS = 1  # of each producer
PHASES = ("30_producers", "40_consumers", "90_rollback")
WAYS = {
    20251123: ("runner", "kernel", "sockets"),
    20251124: ("kernel", "sockets", "runner"),
    20251125: ("sockets", "runner", "kernel"),
}
"""Seed -> what is struck down in each of these phases."""
STATUSES = {"runner": {-9}, "kernel": {8}, "sockets": {4, 6}}
"""How a run ends then: a host whose connection is lost may be put back, and its gate fails."""
SURVIVED = ("sockets", "90_rollback")
"""A rollback may end well all the same: connections on which nothing was under way are opened anew."""
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


@pytest.mark.parametrize(
    ("project", "seed"),
    [
        pytest.param(46 + number, seed, marks=[pytest.mark.whole_sweep] if number else [])
        for number, seed in enumerate(WAYS)
    ],
    indirect=["project"],
)
def test_the_real_migration_is_resumed_and_undone_wherever_it_is_struck_down(project: Project, seed: int) -> None:
    rng = random.Random(seed)
    kinds = dict(zip(PHASES, WAYS[seed], strict=True))

    def strike(verb: str, phase: str, *more: str) -> subprocess.CompletedProcess[str]:
        ended = struck(project, verb, f"{kinds[phase]} after {event_in(rng, phase)}", *more)
        survived = ended.returncode == 0 and (kinds[phase], phase) == SURVIVED
        assert survived or ended.returncode in STATUSES[kinds[phase]], ended.stdout + ended.stderr
        assert phase in {event.phase for event in journal(project)[-8:]}
        return ended

    with project.edited() as site:
        for producer in site["producers"].values():
            producer["pairs"] = list(producer["pairs"])[:PAIRS]
        site["gates"]["minimum_cells"] = 1000
        site["gates"]["canary_candles"] = 1
    _without_the_drill(project)
    project.carry_out("lab", "up")
    try:
        _settled(project)
        original = tree(project)

        strike("run", "30_producers", "--approve", "all")
        strike("run", "40_consumers", "--resume", "--approve", "all")
        third = struck(project, "run", "", "--resume", "--approve", "all")
        assert third.returncode == 0, third.stdout + third.stderr
        predicate = statement.read(ChangeFolder(project.root / "outputs", CHANGE))["predicate"]
        assert predicate["verdict"] == "Successful"
        assert predicate["figures"]["candle_requests_per_candle_after"] == 2 * PAIRS
        assert tree(project) != original
        _a_second_time_nothing_is_done(project)

        held = struck(project, "rollback", "")
        assert held.returncode == 11, held.stdout + held.stderr

        ended = strike("rollback", "90_rollback", "--approve", "before_rollback")
        if ended.returncode != 0:
            ended = struck(project, "rollback", "", "--approve", "before_rollback")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert f"{8 * PAIRS} candle requests per candle again" in ended.stdout
        now = tree(project)
        assert {name for name in {*original, *now} if original.get(name) != now.get(name)} == set()
        _proven_in_the_record(project.root / "outputs" / CHANGE)
    finally:
        project.carry_out("lab", "down", "--keep")


def _without_the_drill(project: Project) -> None:
    """Leave out a notebook that leaves nothing to undo, and takes minutes: a rehearsal carries it out."""
    notebooks = project.root / "notebooks"
    notebooks.unlink()
    shutil.copytree(ROOT / "notebooks", notebooks, ignore=shutil.ignore_patterns("70_*"))
    manifest = YAML().load((notebooks / "runbook.yaml").read_text())
    manifest["needs_a_change"].remove("70_failover_drill")
    del manifest["holds"]["before_failover"]
    with (notebooks / "runbook.yaml").open("w") as file:
        YAML().dump(manifest, file)


def _a_second_time_nothing_is_done(project: Project) -> None:
    def steps() -> list[Event]:
        return [event for event in journal(project) if event.what in {"intent", "undo"}]

    before, running = steps(), _bots(project)
    only = [word for phase in PHASES[:2] for word in ("--only", phase)]
    again = struck(project, "run", "", "--approve", "all", *only)
    assert again.returncode == 0, again.stdout + again.stderr
    assert steps() == before
    assert _bots(project) == running, "no bot was restarted"
    for phase in PHASES[:2]:
        shown = (project.root / "outputs" / CHANGE / "notebooks" / f"{phase}.ipynb").read_text()
        assert re.search(r"done before .* UTC by \w+@\w+", shown), phase


def _bots(project: Project) -> set[int]:
    return {process.pid for process in project.processes() if "trade" in process.cmdline()}


def _proven_in_the_record(folder: Path) -> None:
    predicate = json.loads((folder / "record.json").read_text())["predicate"]
    claims = {claim["id"]: claim["verdict"] for claim in predicate["claims"]}
    assert claims["C9"] == "Successful", predicate["claims"]
    assert predicate["verdict"] == "Successful"
    assert predicate["sentence"].startswith("rolled back")
