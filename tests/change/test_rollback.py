"""Whatever stops a change or its undo, wherever: one more undo, and the host is as it was, to the byte."""

from __future__ import annotations

from typing import Any

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


def fresh() -> Change:
    made = world()
    return Change(made, MemoryJournal(made))


def both(change: Change) -> None:
    change.forward(FIRST)
    change.forward(SECOND)


def moments_of(act: Any, change: Change) -> int:
    with change.world.killed_at(10**9) as moments:
        act(change)
    return len(moments)


def test_a_crash_at_every_moment_of_the_way_forward_can_be_undone() -> None:
    before, number = world().like(), 0
    while True:
        change = fresh()
        with change.world.killed_at(number) as moments:
            both(change)
        change.back()
        assert change.world.like() == before, moments[-2:]
        assert HOST not in (found := change.journal.events()) or change.plan().empty, found
        if len(moments) <= number:
            break
        number += 1


def test_a_crash_at_every_moment_of_the_way_back_is_made_good_by_the_next_undo() -> None:
    before, number = world().like(), 0
    while True:
        change = fresh()
        both(change)
        with change.world.killed_at(number) as moments:
            change.back()
        change.back()
        assert change.world.like() == before, moments[-2:]
        assert change.plan().empty
        if len(moments) <= number:
            break
        number += 1
