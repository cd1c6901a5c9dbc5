"""Whatever stops a change or its undo, wherever: one more undo, and the host is as it was, to the byte."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from undo_host import HOST, UNITS, Change, MemoryJournal, Node, Running, World, in_memory

from runbook_lib.change.resources import Command, File, Unit, Wanted
from runbook_lib.change.rollback import Rollback
from runbook_lib.change.undo import differences, origins
from runbook_lib.errors import Aborted, ApplyFailed, CommandFailed, EditedSince, StalePlan, TransferFailed, VerifyFailed

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
    folders=("bot/work", "bot/work/deep"),
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


def test_folders_that_a_service_made_go_with_it_if_nothing_is_in_them(change: Change) -> None:
    before = world().like()
    change.forward(FIRST)
    change.world.directories |= {"bot/work", "bot/work/deep"}
    change.back()
    assert change.world.like() == before


def test_what_somebody_put_into_a_folder_that_a_service_made_is_never_removed(change: Change) -> None:
    change.forward(FIRST)
    change.world.directories |= {"bot/work", "bot/work/deep"}
    change.world.put("bot/work/mine.ipynb", b"months of work")
    change.back()
    assert change.world.files["bot/work/mine.ipynb"].data == b"months of work"
    assert "bot/work/deep" not in change.world.directories
    assert change.plan().empty, "it was tried, and stays"
    whole = origins(change.journal.events(), whole=True)[HOST]
    assert differences(whole, change.rollback.observe(change.world, whole)) == []  # type: ignore[arg-type]  # in memory


def test_a_folder_that_a_service_is_about_to_make_goes_too(change: Change) -> None:
    change.forward(FIRST)
    planned = change.plan()
    change.world.directories.add("bot/work")  # it was slower than the plan
    change.rollback.apply(change.world, planned)  # type: ignore[arg-type]  # in memory
    assert "bot/work" not in change.world.directories


def test_a_folder_that_was_there_before_is_nobodys_of_ours(change: Change) -> None:
    change.world.directories.add("bot/work")
    change.forward(FIRST)
    change.back()
    assert "bot/work" in change.world.directories


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


def test_an_edit_between_a_crash_and_the_next_try_is_what_comes_back_if_nothing_was_written_before_it() -> None:
    """Where the original was kept already, it may have been written over: then that is what comes back."""
    path, edited = "bot/config.json", Node(b"EDITED", mode=0o640, mtime=99)
    came_back = set()
    for _, change in sweep(fresh, lambda change: change.forward(FIRST)):
        found = change.world.files[path]
        if found.data != b"OLD":
            continue
        was_kept = any(
            node.data == b"OLD" for place, node in change.world.files.items() if place.startswith(".runbook")
        )
        change.world.files[path] = edited
        change.forward(FIRST)
        change.back()
        assert change.world.files[path] == (found if was_kept else edited)
        assert edited.data in {node.data for node in change.world.files.values()}, "nobody's edit is ever lost"
        came_back.add(change.world.files[path].data)
    assert came_back == {b"OLD", b"EDITED"}


def test_a_crash_at_every_moment_of_the_way_back_is_made_good_by_the_next_undo() -> None:
    for _, change in sweep(lambda: fresh(FIRST, SECOND), Change.back):
        change.back()
        assert is_back(change)


def test_a_crash_on_the_way_back_from_a_crash_is_made_good_by_the_next_undo() -> None:
    for number, _ in sweep(fresh, both, every=9):
        for back in itertools.count(number % 7, 7):
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


def test_every_act_is_announced_before_and_told_after_it(change: Change) -> None:
    both(change)
    told = len(change.journal.events())
    change.world.acts.clear()
    change.back()
    events = change.journal.events()[told:]
    assert [event.what for event in events] == ["undo", "undone"] * (len(events) // 2)
    assert all(event.detail["kind"] == event.detail["key"].partition(":")[0] for event in events)
    config = next(event.detail for event in events if event.detail["key"] == "file:bot/config.json")
    assert config == {
        "kind": "file",
        "key": "file:bot/config.json",
        "act": "put bot/config.json back",
        "since": 0,
        "path": "bot/config.json",
        "to": hashlib.sha256(b"OLD").hexdigest(),
        "mode_to": 0o640,
        "restarts": ["helper.service", "bot.service"],
    }


def test_planning_an_undo_touches_nothing(change: Change) -> None:
    both(change)
    before, acts, events = change.world.like(), list(change.world.acts), change.journal.events()
    assert not change.plan().empty
    assert (change.world.like(), change.world.acts, change.journal.events()) == (before, acts, events)


def test_nothing_of_a_host_is_touched_while_one_of_its_files_waits_for_a_decision(change: Change) -> None:
    both(change)
    change.world.put("bot/config.json", b"theirs", mode=0o640)
    before, acts, events = change.world.like(), list(change.world.acts), change.journal.events()
    with pytest.raises(EditedSince, match=r"^73: nothing was undone here: bot/config.json was edited since -> look"):
        change.back()
    assert (change.world.like(), change.world.acts, change.journal.events()) == (before, acts, events)


def test_an_edit_that_is_overwritten_by_decision_is_kept_on_the_host(change: Change) -> None:
    both(change)
    change.world.put("bot/config.json", b"theirs", mode=0o600)
    assert change.back(**{"bot/config.json": "overwrite"})
    assert is_back(change)
    assert b"theirs" in [node.data for path, node in change.world.files.items() if path.startswith(".runbook")]


def test_a_plan_that_no_longer_fits_is_refused_before_anything_is_touched(change: Change) -> None:
    both(change)
    plan = change.plan()
    change.world.put("bot/config.json", b"theirs")
    acts = list(change.world.acts)
    with pytest.raises(StalePlan, match=r"bot/config\.json was edited"):
        change.rollback.apply(change.world, plan)  # type: ignore[arg-type]  # a host in memory
    assert change.world.acts == acts


def test_a_unit_that_came_or_went_since_is_no_reason_to_plan_again(change: Change) -> None:
    both(change)
    plan = change.plan()
    change.world.units["bot.service"].active = "failed"
    change.rollback.apply(change.world, plan)  # type: ignore[arg-type]  # a host in memory
    assert is_back(change)
    assert "reset-failed bot.service" in change.world.acts, "systemd gives up on what failed too often"


def test_originals_that_are_gone_are_told_before_anything_is_touched(change: Change) -> None:
    both(change)
    for path in [path for path in change.world.files if path.startswith(".runbook")]:
        del change.world.files[path]
    acts = list(change.world.acts)
    with pytest.raises(ApplyFailed, match=r"the original of /etc/hosts, .*service, bot/config.json is gone"):
        change.back()
    assert change.world.acts == acts


@pytest.mark.parametrize(
    ("deaf", "said"),
    [
        ("copy .runbook", "was put back, but something else stands there"),
        ("remove", "was put back, but something else stands there"),
        ("unset nat", "nat was undone, but its check still holds"),
        ("start bot", "bot.service is inactive"),
        ("stop helper", "helper.service is active, not enabled; it said: out of tune"),
    ],
)
def test_what_the_host_does_not_show_is_a_failure_and_the_next_undo_goes_on_from_there(
    change: Change, monkeypatch: pytest.MonkeyPatch, deaf: str, said: str
) -> None:
    monkeypatch.setattr("runbook_lib.change.settled.PATIENCE_SECONDS", 0.0)
    both(change)
    change.world.deaf = deaf
    with pytest.raises(VerifyFailed, match=said) as caught:
        change.back()
    assert caught.value.host == HOST
    last = change.journal.events()[-1]
    assert (last.what, last.detail["why"]) == ("undo failed", caught.value.what)
    change.world.deaf = None
    change.back()
    assert is_back(change)


def test_a_command_whose_undo_fails_is_a_failure(change: Change) -> None:
    change.forward(FIRST)
    change.world.refuses = "unset nat"
    with pytest.raises(ApplyFailed, match="undoing nat ended with status 1"):
        change.back()
    change.world.refuses = None
    change.back()
    assert is_back(change)


def test_a_command_that_somebody_undid_is_not_undone_twice(change: Change) -> None:
    change.forward(FIRST)
    plan = change.plan()
    change.world.flags.clear()
    with pytest.raises(StalePlan, match="nat was undone by somebody else"):
        change.rollback.apply(change.world, plan)  # type: ignore[arg-type]  # a host in memory
    change.back()
    assert is_back(change)


def test_an_original_that_goes_at_the_last_moment_leaves_the_file_as_it_stands(change: Change) -> None:
    change.forward(SECOND)

    def lose_originals() -> None:
        for path in [path for path in change.world.files if path.startswith(".runbook")]:
            del change.world.files[path]

    rollback = Rollback(change.journal, "user", lose_originals)  # type: ignore[arg-type]  # a journal in memory
    with pytest.raises(ApplyFailed, match="the original of /etc/hosts is gone"):
        rollback.apply(change.world, change.plan())  # type: ignore[arg-type]  # a host in memory
    assert change.world.files["/etc/hosts"].data == b"more"


def test_a_unit_that_comes_up_and_fails_again_and_again_has_not_come_up(change: Change) -> None:
    change.forward(FIRST)
    change.world.units["bot.service"].comes_up = "activating"
    with pytest.raises(VerifyFailed, match="auto-restart"):
        change.back()
    change.world.units["bot.service"].comes_up = "active"
    change.back()
    assert is_back(change)
    assert "reset-failed bot.service" in change.world.acts


def test_a_unit_that_ends_badly_when_it_is_stopped_is_not_left_as_failed(change: Change) -> None:
    change.forward(FIRST)
    change.world.units["helper.service"].ends = "failed"
    change.back()
    assert change.world.units["helper.service"].active == "inactive"


def given_up(change: Change, act: str, wanted: Wanted = FIRST) -> None:
    """Lose the connection in the middle of an act, on the way forward."""
    change.world.loses = act
    with pytest.raises(TransferFailed):
        change.forward(wanted)


def comes_late(change: Change) -> None:
    """Give the host all the time that it needs for what it was still to do."""
    if change.world.late is not None:
        change.world.late()


@pytest.mark.parametrize("back", [Change.back, lambda change: change.put_back(0)])
def test_a_write_that_was_given_up_cannot_come_after_its_undo(change: Change, back: Callable[[Change], object]) -> None:
    """The connection was lost, the host goes on: whoever undoes the write first takes from it what it would rename."""
    given_up(change, "write bot/config.json")
    back(change)
    comes_late(change)
    assert change.world.files["bot/config.json"].data == b"OLD"
    assert not [path for path in change.world.files if path.endswith("123456")]


@pytest.mark.parametrize("back", [Change.back, lambda change: change.put_back(0)])
def test_a_command_that_was_given_up_is_ended_before_its_undo(change: Change, back: Callable[[Change], object]) -> None:
    given_up(change, "set nat")
    back(change)
    comes_late(change)
    assert change.world.like() == world().like()


def test_a_command_that_was_given_up_is_ended_though_nothing_else_is_to_be_undone(change: Change) -> None:
    alone = replace(FIRST, resources=(Command("nat", "is nat", "set nat", "unset nat"),), leaves=(), folders=())
    given_up(change, "set nat", alone)
    assert change.plan().empty
    change.back()
    assert change.world.late is None


def test_what_a_full_disk_kept_from_being_written_is_put_back_without_a_restart(change: Change) -> None:
    change.world.refuses = "begin to write bot/config.json"
    with pytest.raises(CommandFailed):
        change.forward(FIRST)
    change.world.refuses = None
    change.world.acts.clear()
    change.put_back(0)
    assert not [act for act in change.world.acts if "service" in act]
    assert is_back(change)


def test_a_unit_that_does_not_come_up_is_put_back_and_what_it_made_is_gone(change: Change) -> None:
    bad = replace(FIRST, resources=(File("bot/config.json", b"BAD"), *FIRST.resources[1:]))
    since = len(change.journal.events())
    with pytest.raises(VerifyFailed):
        change.forward(bad)
    assert change.put_back(since)
    assert [event.what for event in change.journal.events()].count("put back") == 1
    assert is_back(change)


def test_nothing_is_put_back_where_nothing_was_done(change: Change) -> None:
    assert not change.put_back(0)
    assert change.journal.events() == []


def test_a_pause_or_an_abort_comes_between_two_steps(change: Change) -> None:
    both(change)

    def abort() -> None:
        if "unset nat" in change.world.acts:
            raise Aborted("enough", host=HOST)

    rollback = Rollback(change.journal, "user", abort)  # type: ignore[arg-type]  # a journal in memory
    with pytest.raises(Aborted):
        rollback.apply(change.world, change.plan())  # type: ignore[arg-type]  # a host in memory
    assert [event.what for event in change.journal.events()][-2:] == ["undo", "undone"]
    change.back()
    assert is_back(change)


def test_what_has_come_back_can_be_proved_though_nothing_is_left_to_do(change: Change) -> None:
    both(change)

    def left() -> list[str]:
        whole = origins(change.journal.events(), whole=True)[HOST]
        return differences(whole, change.rollback.observe(change.world, whole))  # type: ignore[arg-type]  # in memory

    assert len(left()) == 10
    change.back()
    assert left() == []
    change.world.put("bot/config.json", b"theirs")
    change.world.units["bot.service"].active = "inactive"
    assert left() == ["bot/config.json is edited", "bot.service is inactive, enabled and was active, enabled"]


STEPS = st.one_of(st.tuples(st.sampled_from(["first", "second", "back"]), st.integers(0, 170)), st.just(("reboot", 0)))


@given(st.lists(STEPS, max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_begun_cut_off_and_begun_again_comes_back(steps: list[tuple[str, int]]) -> None:
    change = fresh()
    acts = {
        "first": lambda change: change.forward(FIRST),
        "second": lambda change: change.forward(SECOND),
        "back": Change.back,
    }
    for what, number in steps:
        if what == "reboot":
            change.world.reboot()
        else:
            killed(change, acts[what], number)
    change.back()
    assert is_back(change)
