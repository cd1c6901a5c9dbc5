"""Whatever stops a change or its undo, wherever: one more undo, and the host is as it was, to the byte."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from undo_host import HOST, UNITS, Change, MemoryJournal, Running, World, in_memory

from runbook_lib.change.resources import Command, File, Unit, Wanted

__all__ = ["in_memory"]
pytestmark = pytest.mark.usefixtures("in_memory")

FIRST = Wanted(
    HOST,
    (
        File("bot/config.json", b"NEW", 0o600),
        File("bot/feed/reader.py", b"reader"),
        File("bot/feed/deep/writer.py", b"writer"),
        File(f"{UNITS}/bot.service", b"[Service] new"),
        Unit("bot.service"),
        Command("nat", "is nat", "set nat", "unset nat", root=True),
        File(f"{UNITS}/helper.service", b"[Service] helper"),
        Unit("helper.service"),
    ),
    leaves=("bot/state", "bot/feed/cache"),
)
SECOND = Wanted(
    HOST,
    (File("bot/config.json", b"NEWER", 0o640), File("/etc/hosts", b"more", root=True), Unit("bot.service")),
)


def world() -> World:
    made = World()
    made.put("bot/config.json", b"OLD", mode=0o640, mtime=10)
    made.put(f"{UNITS}/bot.service", b"[Service] old", mtime=11)
    made.put("/etc/hosts", b"few", owner="root", mtime=12)
    made.units["bot.service"] = Running(
        ("bot/config.json",), (b"NEW", "bot/state/db"), "active", True, (b"[Service] old", b"OLD")
    )
    made.units["helper.service"] = Running(("bot/feed/reader.py",), (b"reader", "bot/feed/cache/x"))
    made.loaded["bot.service"] = b"[Service] old"
    return made


@pytest.fixture
def change() -> Change:
    made = world()
    return Change(made, MemoryJournal(made))


def test_everything_comes_back_and_the_second_plan_is_empty(change: Change) -> None:
    before = world().like()
    change.forward(FIRST)
    change.forward(SECOND)
    assert change.world.like() != before
    assert change.back()
    assert change.world.like() == before
    assert change.plan().empty
    assert not change.back()


def fresh(*forward: Wanted) -> Change:
    made = world()
    change = Change(made, MemoryJournal(made))
    for wanted in forward:
        change.forward(wanted)
    return change


def killed(change: Change, act: Callable[[Change], object], number: int) -> bool:
    """Kill an act at the moment of this number; say whether it got that far."""
    with change.world.killed_at(number) as moments:
        act(change)
    return len(moments) > number


def sweep(
    make: Callable[[], Change], act: Callable[[Change], object], *, every: int = 1
) -> Iterator[tuple[int, Change]]:
    """Yield a change for each moment of an act at which it was killed."""
    for number in itertools.count(step=every):
        change = make()
        if not killed(change, act, number):
            assert number > 20, "the sweep swept nothing"
            return
        yield number, change


def both(change: Change) -> None:
    change.forward(FIRST)
    change.forward(SECOND)


def is_back(change: Change) -> bool:
    """Whether the host is as it was, and a further undo has nothing to do."""
    return change.world.like() == world().like() and not change.back()


def test_a_crash_at_every_moment_of_the_way_forward_can_be_undone() -> None:
    for _, change in sweep(fresh, both):
        change.back()
        assert is_back(change)


def test_a_crash_at_every_moment_of_the_way_back_is_made_good_by_the_next_undo() -> None:
    for _, change in sweep(lambda: fresh(FIRST, SECOND), Change.back):
        change.back()
        assert is_back(change)


def test_a_crash_on_the_way_back_from_a_crash_is_made_good_by_the_next_undo() -> None:
    for number, _ in sweep(fresh, both, every=6):
        for back in itertools.count(number % 5, 5):
            change = fresh()
            assert killed(change, both, number)
            reached = killed(change, Change.back, back)
            change.back()
            assert is_back(change), (number, back)
            if not reached:
                break


def test_a_host_that_lost_its_power_at_any_moment_can_be_put_back() -> None:
    """What it reads when it is up again is what the crash left there, though nobody had restarted it yet."""
    for _, change in sweep(fresh, both):
        change.world.reboot()
        change.back()
        assert is_back(change)
    for _, change in sweep(lambda: fresh(FIRST, SECOND), Change.back):
        change.world.reboot()
        change.back()
        assert is_back(change)


def test_a_phase_alone_is_put_back_from_wherever_it_failed() -> None:
    """To where the phase before it had brought the host; from there all the way, as if it had never been tried."""
    after_first = fresh(FIRST).world.like(times=False)
    since = fresh(FIRST).journal.events()[-1].number
    for _, change in sweep(lambda: fresh(FIRST), lambda change: change.forward(SECOND)):
        change.put_back(since)
        assert change.world.like(times=False) == after_first
        assert not change.put_back(since)
        change.back()
        assert is_back(change)


def test_a_crash_while_a_phase_is_put_back_is_made_good_by_the_next_try() -> None:
    after_first = fresh(FIRST).world.like(times=False)
    since = fresh(FIRST).journal.events()[-1].number
    for _, change in sweep(lambda: fresh(FIRST, SECOND), lambda change: change.put_back(since)):
        change.put_back(since)
        assert change.world.like(times=False) == after_first
        change.back()
        assert is_back(change)


def test_after_it_was_undone_a_change_can_be_made_again_and_undone_again() -> None:
    change = fresh(FIRST, SECOND)
    change.back()
    change.world.put("bot/config.json", b"OLDER", mtime=77)
    change.world.units["bot.service"].read = (b"[Service] old", b"OLDER")
    before = change.world.like()
    change.forward(FIRST)
    assert change.world.like() != before
    change.back()
    assert change.world.like() == before, "what somebody did in between is what there is to go back to"


EDITED = ("bot/config.json", "bot/feed/reader.py", f"{UNITS}/bot.service")


@pytest.mark.parametrize("path", EDITED)
def test_an_edit_by_somebody_else_at_any_moment_of_an_undo_survives_it(path: str) -> None:
    for number in itertools.count():
        change = fresh(FIRST, SECOND)
        with change.world.at(number, lambda: change.world.put(path, b"theirs"), asked=True) as moments:  # noqa: B023
            undone = change.try_back()
        if len(moments) <= number:
            assert number > 20
            assert undone
            return
        assert change.world.files[path].data == b"theirs"
        assert undone or not change.try_back(), "it waits for a decision"
        change.back(**{path: "keep"})
        assert change.world.files[path].data == b"theirs"
        others = [each for each in world().files if each != path]
        assert {each: change.world.files[each] for each in others} == {each: world().files[each] for each in others}
