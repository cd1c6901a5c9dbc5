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
batch host intent done intent done intent done intent done intent done intent done up gate
batch host intent done intent done up gate | ended
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
    """Return the three faults after each event; and others in the midst of a step.

    There the kernel is killed with the step done and nobody told; or just before it is announced, which is no other
    moment unless acts came before their announcements; or the connections are torn with a command on its way.
    """
    found = []
    for number, (who, what) in enumerate(written, first):
        found += [Fault(kind, "after", number) for kind in (KINDS if who == "kernel" else KINDS[:1])]
        if what in {"done", "undone", "rolled back", "intent"}:
            found.append(Fault("kernel", "before", number))
        if what in {"intent", "undo"}:
            found.append(Fault("command", "after", number))
    return found


def in_turn(written: list[tuple[str, str]], first: int) -> list[Fault]:
    """Return one fault after each event, the kinds in turn, and one in the midst of each step."""
    found = []
    for number, (who, what) in enumerate(written, first):
        kinds = (*KINDS, "command") if what in {"intent", "undo"} else KINDS
        found.append(Fault(kinds[number % len(kinds)] if who == "kernel" else "runner", "after", number))
        if what in {"done", "undone", "rolled back"}:
            found.append(Fault("kernel", "before", number))
    return found


def each(written: list[tuple[str, str]], first: int) -> list[object]:
    """Return all faults; those that are not in turn are left to the whole sweep, `make sweep`."""
    turn = in_turn(written, first)
    return [
        fault if fault in turn else pytest.param(fault, marks=pytest.mark.whole_sweep)
        for fault in faults(written, first)
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


def strike(ground: Ground, *faults: Fault) -> Ended:
    """Begin the planned change anew, and let the faults come."""
    ground.return_to("planned")
    ended = ground.run("--approve", "before_rest", faults=faults)
    assert ended.struck == [fault.kind for fault in faults], ended.said
    return ended


@pytest.mark.parametrize("fault", each(RUN[PLANNED:], PLANNED + 1), ids=str)
def test_what_was_struck_down_is_finished_by_resume(
    ground: Ground, after: Mapping[str, HostState], fault: Fault
) -> None:
    strike(ground, fault)
    assert_ended(ground.resume(), 0)
    assert_same(ground.town.state(), after, times=False)
    assert ground.events()


@pytest.mark.usefixtures("after")
@pytest.mark.parametrize("fault", each(RUN[PLANNED:], PLANNED + 1), ids=str)
def test_what_was_struck_down_is_undone_by_rollback(
    ground: Ground, before: Mapping[str, HostState], fault: Fault
) -> None:
    strike(ground, fault)
    begun = any(event.what == "intent" for event in ground.events())
    assert_ended(ground.rollback(), 0 if begun else 2)  # nothing to be undone is said, and refused
    assert_same(ground.town.state(), before, times=True)
    assert ground.events()


@pytest.mark.usefixtures("after")
@pytest.mark.parametrize("fault", in_turn(UNDO, len(RUN) + 1), ids=str)
def test_a_rollback_that_was_struck_down_is_finished_by_another(
    ground: Ground, before: Mapping[str, HostState], fault: Fault
) -> None:
    ground.return_to("done")
    ended = ground.rollback(faults=[fault])
    assert ended.struck == [fault.kind], ended.said
    assert_ended(ground.rollback(), 0)
    assert_same(ground.town.state(), before, times=True)
    assert ground.events()


CUT = 11
"""The connection is lost while the first host's greeter is to be restarted: this host is put back by itself."""
PUT_BACK = range(CUT + 1, CUT + 11)


@pytest.mark.parametrize("number", [pytest.param(each, marks=pytest.mark.whole_sweep) for each in PUT_BACK])
def test_what_was_struck_down_while_it_was_put_back_is_finished_or_undone(
    ground: Ground, before: Mapping[str, HostState], after: Mapping[str, HostState], number: int
) -> None:
    for kind, way in (("runner", "resume"), ("kernel", "rollback")):
        strike(ground, Fault("command", "after", CUT), Fault(kind, "after", number))
        assert_ended(ground.resume() if way == "resume" else ground.rollback(), 0)
        assert_same(ground.town.state(), after if way == "resume" else before, times=way == "rollback")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_struck_down_while_it_is_held_waits_for_its_approval(
    ground: Ground, after: Mapping[str, HostState], kind: str
) -> None:
    ground.return_to("planned")
    _, canary, _ = (number for number, (_, what) in enumerate(RUN, 1) if what == "gate")
    ended = ground.run(faults=[Fault(kind, "after", canary)])  # without an approval all comes one event earlier
    assert ended.struck == [kind], ended.said
    assert [event.what for event in ground.events()[canary - 2 : canary]] == ["gate", "hold"]
    assert_ended(ground.command("run", "--resume"), 11)
    assert_ended(ground.resume(), 0)
    assert_same(ground.town.state(), after, times=False)


@pytest.mark.parametrize("number", [10, 26])
def test_half_a_line_in_the_journal_is_no_event(ground: Ground, after: Mapping[str, HostState], number: int) -> None:
    strike(ground, Fault("torn", "before", number))
    assert_ended(ground.resume(), 0)
    assert "torn" in [event.what for event in ground.events()]
    assert_same(ground.town.state(), after, times=False)


@pytest.mark.parametrize("fault", [Fault("runner", "after", 11), Fault("kernel", "after", 15)], ids=str)
def test_interpreters_that_were_not_ready_do_the_same(
    ground: Ground, before: Mapping[str, HostState], after: Mapping[str, HostState], fault: Fault
) -> None:
    fresh = ground.with_fresh_interpreters()
    strike(fresh, fault)
    assert_ended(fresh.resume(), 0)
    assert_same(fresh.town.state(), after, times=False)
    assert_ended(fresh.rollback(), 0)
    assert_same(fresh.town.state(), before, times=True)
