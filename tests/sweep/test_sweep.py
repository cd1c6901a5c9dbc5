"""Whatever is killed, and whenever: going on ends where nothing was killed, going back ends where all began.

A change is begun, and at one event of its journal the runner, the kernel or the connections are struck down. Then it is
resumed, or rolled back in place of that. The same for a rollback that is struck down and begun again.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from crash import Ended, Fault, Ground
from town import NEW, OLD, HostState

pytestmark = pytest.mark.hosts

FORWARD = """
planned | run approved | opened gate | opened
batch host intent done intent done intent done intent done intent done intent done gate
batch host intent done intent done gate | ended
"""
"""What is written if nothing disturbs it: by the plan, the runner, the first notebook, the second, the runner."""

BACK = """
run approved | opened
undo undone undo undone
undo undone undo undone undo undone undo undone undo undone undo undone undo undone undo undone undo undone
undo undone undo undone rolled_back gate | ended
"""
"""What its rollback writes."""


def events(text: str) -> list[tuple[str, str]]:
    """Return who writes each event, and what it is called."""
    found = []
    for part in text.split("|"):
        words = part.split()
        who = "kernel" if {"opened"} & set(words) or {"batch"} & set(words) else "runner"
        found += [(who, word.replace("_", " ")) for word in words]
    return found


RUN = events(FORWARD)
UNDO = events(BACK)
PLANNED = 1
"""Events before anything is struck down: a plan is saved, against which every run is held, a resumed one too."""
KINDS = ("runner", "kernel", "connection")


def faults(written: list[tuple[str, str]], first: int) -> list[Fault]:
    """Return every fault: each of the three after each event, and the kernel before what was done is written down."""
    found = []
    for number, (who, what) in enumerate(written, first):
        kinds = ("runner",) if who == "runner" else KINDS
        found += [Fault(kind, "after", number) for kind in kinds]
        if what in {"done", "undone", "rolled back"}:
            found.append(Fault("kernel", "before", number))
    return found


def once_each(written: list[tuple[str, str]], first: int) -> list[Fault]:
    """Return one fault for each event, the kinds in turn; and the kernel before what was done is written down."""
    return [
        fault
        for fault in faults(written, first)
        if fault.moment == "before"
        or written[fault.number - first][0] == "runner"
        or fault.kind == KINDS[fault.number % len(KINDS)]
    ]


@pytest.fixture(scope="session")
def before(ground: Ground) -> Mapping[str, HostState]:
    """How the hosts are before anything is done."""
    state = ground.town.state()
    assert {host: dict(each.said) for host, each in state.items()} == {
        host: {ground.town.port: OLD, ground.town.port + 1: ""} for host in state
    }
    return state


@pytest.fixture(scope="session")
def after(ground: Ground, before: Mapping[str, HostState]) -> Mapping[str, HostState]:
    """How they are after a run that nothing disturbs; kept, for rollbacks to begin there."""
    assert_ended(ground.command("plan"), 0)
    ground.keep("planned")
    assert_ended(ground.run("--approve", "before_rest"), 0)
    assert [event.what for event in ground.events()] == [what for _, what in RUN]
    state = ground.town.state()
    assert state != before
    assert state["first"].said == {ground.town.port: NEW, ground.town.port + 1: NEW}
    assert state["second"].said[ground.town.port] == NEW
    ground.keep("done")
    return state


def assert_ended(ended: Ended, *statuses: int) -> None:
    assert ended.status in statuses, ended.said


def assert_same(found: Mapping[str, HostState], wanted: Mapping[str, HostState], *, times: bool) -> None:
    """Compare hosts to the byte, and if so asked to the nanosecond; say what differs, not all that there is."""
    wrong = []
    for host in wanted:
        state, there = (each[host] if times else each[host].without_times() for each in (wanted, found))
        names = {*state.entries, *there.entries}
        wrong += [
            f"{host}: {name}: {there.entries.get(name)} instead of {state.entries.get(name)}"
            for name in sorted(names)
            if there.entries.get(name) != state.entries.get(name)
        ]
        wrong += [f"{host}: {there.units} instead of {state.units}"] if there.units != state.units else []
        wrong += [f"{host}: says {there.said} instead of {state.said}"] if there.said != state.said else []
    assert not wrong


def strike(ground: Ground, fault: Fault) -> Ended:
    """Begin the planned change anew, and let the fault come."""
    ground.return_to("planned")
    ended = ground.run("--approve", "before_rest", fault=fault)
    assert ended.struck, ended.said
    return ended


@pytest.mark.parametrize("fault", faults(RUN[PLANNED:], PLANNED + 1), ids=str)
def test_what_was_struck_down_is_finished_by_resume(
    ground: Ground, after: Mapping[str, HostState], fault: Fault
) -> None:
    strike(ground, fault)
    assert_ended(ground.resume(), 0)
    assert_same(ground.town.state(), after, times=False)
    assert ground.events()


@pytest.mark.usefixtures("after")
@pytest.mark.parametrize("fault", faults(RUN[PLANNED:], PLANNED + 1), ids=str)
def test_what_was_struck_down_is_undone_by_rollback(
    ground: Ground, before: Mapping[str, HostState], fault: Fault
) -> None:
    strike(ground, fault)
    begun = any(event.what == "intent" for event in ground.events())
    assert_ended(ground.rollback(), 0 if begun else 2)  # nothing to be undone is said, and refused
    assert_same(ground.town.state(), before, times=True)
    assert ground.events()


@pytest.mark.usefixtures("after")
@pytest.mark.parametrize("fault", once_each(UNDO, len(RUN) + 1), ids=str)
def test_a_rollback_that_was_struck_down_is_finished_by_another(
    ground: Ground, before: Mapping[str, HostState], fault: Fault
) -> None:
    ground.return_to("done")
    ended = ground.rollback(fault=fault)
    assert ended.struck, ended.said
    assert_ended(ground.rollback(), 0)
    assert_same(ground.town.state(), before, times=True)
    assert ground.events()
