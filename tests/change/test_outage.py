"""A unit that is killed on purpose comes back whatever happens, and the journal tells of it before and after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.change import outage as module
from runbook_lib.change import settled
from runbook_lib.change.journal import Journal, read
from runbook_lib.change.outage import outage
from runbook_lib.change.plan import plan_host
from runbook_lib.change.resources import Seen, Unit, Wanted
from runbook_lib.change.undo import origins, plan_undo
from runbook_lib.change.undo_plan import UnitUndo
from runbook_lib.errors import ApplyFailed, CommandFailed, Stopped
from runbook_lib.fleet import UnitState
from runbook_lib.runner.standing import fates

NAME = "producer.service"


RUNS = UnitState(NAME, "loaded", "active", "running", "enabled", 7, 0, "success", 1.0, False)


@dataclass
class Host:
    """One unit of one host. ``acts``: what was done; ``refuses``: acts that fail; ``deaf``: kills without effect."""

    name: str = "73"
    state: UnitState = RUNS
    acts: list[str] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    deaf: bool = False

    def act(self, what: str) -> None:
        self.acts.append(what)
        if what in self.refuses:
            raise CommandFailed(f"`{what}` ended with status 1", remedy="", host=self.name)


class Units:
    def __init__(self, session: Any, scope: str) -> None:
        assert scope == "user"
        self._host: Host = session

    def observe(self, names: list[str]) -> dict[str, UnitState]:
        assert names == [NAME]
        return {NAME: self._host.state}

    def kill(self, name: str) -> None:
        self._host.act(f"kill {name}")
        if not self._host.deaf:
            self._host.state = replace(self._host.state, active="failed", sub="failed", main_pid=0)

    def reset_failed(self, name: str) -> None:
        self._host.act(f"reset {name}")
        self._host.state = replace(self._host.state, active="inactive", sub="dead")

    def start(self, name: str) -> None:
        self._host.act(f"start {name}")
        self._host.state = replace(self._host.state, active="active", sub="running", main_pid=8)

    def log_tail(self, _name: str, _lines: int) -> str:
        return ""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(module, "Units", Units)
    monkeypatch.setattr(settled, "sleep", lambda _seconds: None)
    return Host()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl", "70_failover_drill")


def told(journal: Journal) -> list[str]:
    return [event.what for event in journal.events()]


def down(journal: Journal, *hosts: Any) -> Any:
    return outage(journal, "user", [(host, NAME) for host in hosts], settle_seconds=0.0)


def test_it_is_down_inside_and_runs_again_after(journal: Journal, host: Host) -> None:
    with down(journal, host) as times:
        assert host.state.active == "failed"
        assert told(journal) == ["intent", "down"]
        assert list(times.killed) == ["73"]
        assert times.started == {}
    assert host.acts == [f"kill {NAME}", f"reset {NAME}", f"start {NAME}"]
    assert told(journal) == ["intent", "down", "done"]
    assert times.killed["73"] <= times.started["73"]


def test_it_is_announced_before_it_is_done(journal: Journal, host: Host) -> None:
    host.refuses.add(f"kill {NAME}")
    with pytest.raises(CommandFailed), down(journal, host):
        pytest.fail("nothing is down")
    assert told(journal) == ["intent", "done"]
    assert host.acts[-1] == f"start {NAME}", "who knows what came of the kill"


@pytest.mark.parametrize("error", [Stopped("SIGTERM", remedy=""), KeyboardInterrupt(), ValueError("a bug")])
def test_whatever_ends_the_work_it_is_brought_back(journal: Journal, host: Host, error: BaseException) -> None:
    with pytest.raises(type(error)), down(journal, host):
        raise error
    assert host.state.running
    assert told(journal)[-1] == "done"


def test_all_of_several_are_brought_back_the_last_first(journal: Journal, host: Host) -> None:
    other = Host("108")
    with down(journal, host, other):
        assert not host.state.running
        assert not other.state.running
    assert host.state.running
    assert other.state.running
    assert [event.host for event in journal.events() if event.what == "done"] == ["108", "73"]


def test_one_that_cannot_be_killed_has_the_others_back(journal: Journal, host: Host) -> None:
    other = Host("108", deaf=True)
    with pytest.raises(ApplyFailed, match="was killed, but it is active"), down(journal, host, other):
        pytest.fail("one still runs")
    assert host.state.running


def test_what_does_not_run_is_not_killed(journal: Journal, host: Host) -> None:
    host.state = replace(host.state, active="inactive", sub="dead")
    with pytest.raises(ApplyFailed, match="cannot be killed"), down(journal, host):
        pytest.fail("it was down before")
    assert host.acts == []
    assert told(journal) == []


def test_one_that_does_not_come_back_is_said_to_be_down(journal: Journal, host: Host) -> None:
    host.refuses.add(f"start {NAME}")
    with pytest.raises(ApplyFailed, match=rf"{NAME} is down and could not be started") as failure, down(journal, host):
        pass
    assert "run this phase again" in failure.value.remedy
    assert told(journal)[-1] == "failed"
    assert "is down" in fates(journal.events())["73"]


def _struck(journal: Journal, host: Host) -> None:
    """Let whoever does it die in the middle: its way back is never gone."""
    host.refuses |= {f"reset {NAME}", f"start {NAME}"}
    lines = journal.path
    with pytest.raises(ApplyFailed), down(journal, host):
        kept = lines.read_bytes()
    lines.write_bytes(kept)


def test_after_a_death_in_the_middle_the_step_is_open_and_a_plan_starts_it(journal: Journal, host: Host) -> None:
    _struck(journal, host)
    assert [event.what for event in read(journal.path)] == ["intent", "down"]
    assert "cut off, or at it now: kill producer.service on purpose" in fates(journal.events())["73"]
    wanted = Wanted("73", (Unit(NAME),))
    seen = Seen({}, {NAME: host.state}, {})
    assert plan_host(wanted, seen).describe() == [f"start {NAME}"]


@pytest.mark.parametrize(("before", "undone"), [(None, [f"start {NAME}"]), ("inactive", [f"disable {NAME}"])])
def test_a_rollback_after_a_death_ends_where_the_change_began(
    journal: Journal, host: Host, before: str | None, undone: list[str]
) -> None:
    """A producer that ran before the change is started; one that the change brought stays down, and is taken away."""
    if before is not None:
        setup = Journal(journal.path, "30_producers")
        was = {"active": before, "enabled": False}
        step = {"kind": "unit", "key": f"unit:{NAME}", "act": f"enable and start {NAME}"}
        setup.write("intent", "73", **step, unit=NAME, before=was, acts=["enable", "start"], scope="user")
        setup.write("done", "73", **step)
    _struck(journal, host)
    host.state = replace(host.state, active="inactive", sub="dead")  # as after a boot, or a stop
    plan = plan_undo(origins(journal.events())["73"], Seen({}, {NAME: host.state}, {}), {})
    assert all(isinstance(step, UnitUndo) for step in plan.steps)
    assert plan.describe() == undone
