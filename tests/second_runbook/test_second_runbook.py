"""The engine knows nothing of freqtrade: another service, with params and notebooks of its own, is changed by it.

The commands are those that an operator types, in processes of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from town import NEW, OLD, RUNBOOK, Town

from runbook_lib.change.journal import Event, read
from runbook_lib.runner.source import generate

pytestmark = pytest.mark.hosts

SOURCES = sorted(RUNBOOK.glob("[0-9][0-9]_*.py"))
Type = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def type_in(town: Town) -> Type:
    def call(verb: str, *more: str) -> subprocess.CompletedProcess[str]:
        words = [verb, "--runbook", str(RUNBOOK), "--site", "town.yaml", "--change", "c", *more]
        return subprocess.run(
            [sys.executable, "-m", "runbook_lib", *words],
            cwd=town.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return call


def events(town: Town) -> list[Event]:
    return list(read(town.directory / "outputs" / "c" / "journal.jsonl"))


def test_a_night_with_the_second_runbook(town: Town, type_in: Type) -> None:
    before = town.state()

    dry = type_in("run", "--dry-run")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert town.state() == before

    plan = type_in("plan")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "+greeting = Good evening" in plan.stdout
    assert "first: enable and start parrot.service" in plan.stdout
    assert town.state() == before

    held = type_in("run")
    assert held.returncode == 11, held.stdout + held.stderr
    assert "May the other towns greet as the first one does?" in held.stdout
    assert (town.state()["first"].said[town.port], town.state()["second"].said[town.port]) == (NEW, OLD)
    assert town.state()["second"] == before["second"]

    done = type_in("run", "--resume", "--approve", "before_rest")
    assert done.returncode == 0, done.stdout + done.stderr
    after = town.state()
    assert {host: state.said[town.port] for host, state in after.items()} == {"first": NEW, "second": NEW}
    assert after["first"].units["parrot.service"] == ("active", "running", "enabled", "no")

    steps = [event for event in events(town) if event.what in {"intent", "done"}]
    again = type_in("run", "--only", "20_greet", "--approve", "before_rest")
    assert again.returncode == 0, again.stdout + again.stderr
    assert town.state() == after  # down to when each file was written
    assert [event for event in events(town) if event.what in {"intent", "done"}] == steps

    back = type_in("rollback", "--approve", "before_rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert town.state() == before


def test_a_host_without_power_keeps_the_other_from_nothing_and_is_put_back_when_it_has_some(
    town: Town, type_in: Type
) -> None:
    before = town.state()
    assert type_in("run", "--approve", "before_rest").returncode == 0
    town.power_off("second")

    back = type_in("rollback", "--approve", "before_rollback")
    assert back.returncode == 6, back.stdout + back.stderr
    assert "Out of reach" in (town.directory / "outputs/c/notebooks/90_rollback.ipynb").read_text(encoding="utf-8")
    assert not [event for event in events(town) if event.what == "rolled back"]
    town.power_on("second")
    assert town.state()["first"] == before["first"]
    assert town.state()["second"] != before["second"]

    back = type_in("rollback", "--approve", "before_rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert town.state() == before


def test_its_kernels_load_nothing_of_the_first_migration() -> None:
    ask = "import greeter, json, sys; print(json.dumps([m for m in sys.modules if m.startswith('runbook_lib.')]))"
    told = subprocess.run(
        [sys.executable, "-c", ask], cwd=RUNBOOK, env={"PYTHONPATH": str(RUNBOOK)}, capture_output=True, check=True
    )
    loaded = json.loads(told.stdout)
    assert "runbook_lib.change.engine" in loaded
    assert [name for name in loaded if name.startswith(("runbook_lib.freqtrade", "runbook_lib.lab"))] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_its_notebooks_are_generated_from_what_was_reviewed(source: Path) -> None:
    assert source.with_suffix(".ipynb").read_text(encoding="utf-8") == generate(source)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_its_notebooks_import_its_own_module_alone(source: Path) -> None:
    imports = [line for line in source.read_text(encoding="utf-8").splitlines() if "import " in line]
    assert [line.partition(" import ")[0] for line in imports] == ["from greeter"]
