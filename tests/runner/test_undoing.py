"""A rollback over hosts in memory: the last phase first, no edit lost, no host held up by another."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from memory_fleet import CONFIG, SERVICE, Hosts, hosts, in_memory, wanted

from runbook_lib.change.control import request
from runbook_lib.errors import (
    Aborted,
    ApplyFailed,
    AuthenticationRefused,
    CommandFailed,
    DeadlineExceeded,
    EditedSince,
    GateFailed,
    HostKeyRefused,
    RunbookError,
    StalePlan,
    Unreachable,
)
from runbook_lib.runner import changing, undoing
from runbook_lib.values import Verdict

__all__ = ["hosts", "in_memory"]

MORE = "bot/more.json"


def change(hosts: Hosts, name: str, names: str, **how: Any) -> None:
    phase = hosts.phase(name)
    planned = changing.plan(phase, "Bots", wanted(names, **how))
    changing.change_all(phase, planned, lambda _: [], hosts=list(names), size=1)


@pytest.fixture
def changed(hosts: Hosts) -> Hosts:
    """Phase 30 has changed a and b, phase 40 c, d and once more a."""
    change(hosts, "30_x", "ab")
    change(hosts, "40_x", "cda", path=MORE)
    return hosts


def first_acts(hosts: Hosts) -> list[str]:
    """Return the hosts in the order in which they were first undone."""
    told = (event for event in hosts.phase("look").journal.events() if event.what == "undo" and event.host is not None)
    return list(dict.fromkeys(event.host for event in told))


def rolled_back(hosts: Hosts) -> int:
    return sum(event.what == "rolled back" for event in hosts.phase("look").journal.events())


def verdicts(checks: list[Any]) -> dict[str, Verdict]:
    return {check.host: check.verdict for check in checks}


def test_the_last_phase_goes_back_first_and_its_last_host_before_the_others(hosts: Hosts) -> None:
    before = hosts.like()
    change(hosts, "30_x", "ab")
    change(hosts, "40_x", "cda", path=MORE)
    phase = hosts.phase("90_x")
    planned = undoing.plan(phase)
    assert list(planned.plans) == ["d", "c", "b", "a"]  # a belongs to the phase that touched it first
    table = undoing.apply(phase, planned)
    assert first_acts(hosts) == ["c", "d", "a", "b"]  # in batches of two, each in the order of the inventory
    assert [row[:2] for row in table.rows] == [(host, "put back") for host in "dcba"]
    assert hosts.like() == before
    assert hosts.locked[-1] == ("d", "c", "b", "a")


def test_nothing_is_undone_on_a_host_whose_lock_is_lost(changed: Hosts) -> None:
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    changed.locks.lost.add("a")
    acts = list(changed["a"].acts)
    with pytest.raises(Unreachable, match="a: its lock was lost"):
        undoing.apply(phase, planned)
    assert changed["a"].acts == acts
    assert changed.config() == {"a": b"NEW", "b": b"OLD", "c": b"OLD", "d": b"OLD"}


def test_when_all_is_back_the_journal_says_so_and_a_second_rollback_does_nothing(changed: Hosts) -> None:
    phase = changed.phase("90_x")
    assert verdicts(undoing.restored(phase)) == dict.fromkeys("abcd", Verdict.FAILED)  # nothing is back yet
    assert rolled_back(changed) == 0
    undoing.apply(phase, undoing.plan(phase))
    assert verdicts(undoing.restored(phase)) == dict.fromkeys("abcd", Verdict.SUCCESSFUL)
    assert rolled_back(changed) == 1
    stood, again = changed.like(), changed.phase("90_x")
    table = undoing.apply(again, undoing.plan(again))
    assert {row[1] for row in table.rows} == {"was as before already"}
    assert changed.like() == stood
    assert verdicts(undoing.restored(again)) == dict.fromkeys("abcd", Verdict.SUCCESSFUL)


def test_one_file_that_is_not_back_is_enough_not_to_be_rolled_back(changed: Hosts) -> None:
    phase = changed.phase("90_x")
    undoing.apply(phase, undoing.plan(phase))
    changed["b"].put(CONFIG, b"EDITED")
    checks = undoing.restored(phase)
    assert [check.host for check in checks if check.verdict is not Verdict.SUCCESSFUL] == ["b"]
    assert next(check for check in checks if check.host == "b").observed == f"{CONFIG} is edited"
    assert rolled_back(changed) == 0


def test_a_host_that_cannot_be_read_is_not_taken_for_restored(changed: Hosts) -> None:
    phase = changed.phase("90_x")
    undoing.apply(phase, undoing.plan(phase))

    def gone(what: str) -> None:
        if what == "before a look":
            raise CommandFailed("no answer", remedy="", host="c")

    changed["c"].moment = gone
    checks = undoing.restored(phase)
    assert [(check.host, check.observed) for check in checks if check.verdict is Verdict.FAILED] == [("c", "no answer")]
    assert rolled_back(changed) == 0


def test_a_directory_that_somebody_put_something_in_stays_and_is_named(hosts: Hosts) -> None:
    change(hosts, "30_x", "a", path="bot/new/x.json")
    hosts["a"].put("bot/new/mine.txt", b"mine")
    phase = hosts.phase("90_x")
    undoing.apply(phase, undoing.plan(phase))
    (check,) = undoing.restored(phase)
    assert check.verdict is Verdict.SUCCESSFUL
    assert check.observed == "yes, to the byte; bot/new stays: something else is in it"
    assert rolled_back(hosts) == 1


def test_an_edit_that_nobody_decided_on_fails_the_gate_and_is_shown(changed: Hosts) -> None:
    changed["b"].put(CONFIG, b"EDITED")
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    assert [(host, conflict.path) for host, conflict in planned.conflicts] == [("b", CONFIG)]
    checks = undoing.fit(phase, planned)
    (bad,) = [check for check in checks if check.verdict is not Verdict.SUCCESSFUL]
    assert (bad.host, bad.verdict) == ("b", Verdict.FAILED)
    assert CONFIG in bad.observed
    assert f"`runbook rollback --change c --overwrite b:{CONFIG}`" in bad.remedy
    edits, undo = str(planned).split("Rollback", 1)
    assert edits.startswith("Edited by somebody since, and not overwritten")
    assert "-NEW" in edits  # what we wrote
    assert "+EDITED" in edits  # and what stands there now
    assert "+EDITED" not in undo
    assert undoing.decide(phase, planned) is planned  # nobody is there to be asked


def test_without_an_edit_only_the_rollback_is_shown(changed: Hosts) -> None:
    planned = undoing.plan(changed.phase("90_x"))
    assert planned.conflicts == []
    assert "Edited by somebody" not in str(planned)
    assert "-NEW" in str(planned)
    assert "+OLD" in str(planned)
    assert SERVICE in str(planned)


@pytest.mark.parametrize(("decision", "stands"), [("overwrite", b"OLD"), ("keep", b"EDITED")])
def test_an_edit_becomes_what_was_decided(changed: Hosts, decision: str, stands: bytes) -> None:
    changed["b"].put(CONFIG, b"EDITED")
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    phase.journal.write("decided", "b", path=CONFIG, decision=decision, how="--" + decision)
    planned = undoing.decide(phase, planned)
    assert planned.conflicts == []
    assert set(verdicts(undoing.fit(phase, planned)).values()) == {Verdict.SUCCESSFUL}
    undoing.apply(phase, planned)
    assert changed["b"].files[CONFIG].data == stands
    assert verdicts(undoing.restored(phase)) == dict.fromkeys("abcd", Verdict.SUCCESSFUL)
    assert rolled_back(changed) == 1


def shut(hosts: Hosts, host: str) -> list[str]:
    """Plan anew, as the next run does; return what waits for a decision there."""
    phase = hosts.phase("90_x")
    planned = undoing.decide(phase, undoing.plan(phase))
    return [conflict.describe() for name, conflict in planned.conflicts if name == host]


AGAIN = f"{CONFIG} was edited since, and again after it was decided on"


@pytest.mark.parametrize("decision", ["overwrite", "keep"])
@pytest.mark.parametrize("shown_before", [True, False])
def test_an_edit_made_after_the_decision_waits_for_one_of_its_own(
    changed: Hosts, decision: str, shown_before: bool
) -> None:
    changed["b"].put(CONFIG, b"EDIT 1", mode=0o640)
    if shown_before:
        assert shut(changed, "b") == [f"{CONFIG} was edited since"]
    changed.phase("look").journal.write("decided", "b", path=CONFIG, decision=decision, how="--" + decision)
    assert shut(changed, "b") == []  # and the run is held before anything is undone
    changed["b"].put(CONFIG, b"EDIT 2", mode=0o640)
    assert shut(changed, "b") == [AGAIN]
    phase = changed.phase("90_x")
    with pytest.raises(EditedSince, match=AGAIN):
        undoing.apply(phase, undoing.plan(phase))
    assert changed["b"].files[CONFIG].data == b"EDIT 2"
    assert verdicts(undoing.restored(phase))["b"] is Verdict.FAILED
    assert rolled_back(changed) == 0
    changed["b"].put(CONFIG, b"EDIT 1", mode=0o600)
    assert shut(changed, "b") == [AGAIN]  # the mode is part of it
    changed["b"].put(CONFIG, b"EDIT 1", mode=0o640)
    assert shut(changed, "b") == []  # what was decided on stands there again


def test_an_edit_is_told_once_as_long_as_it_stays_the_same(changed: Hosts) -> None:
    changed["b"].put(CONFIG, b"EDIT 1", mode=0o640)
    for _ in range(2):
        shut(changed, "b")
    changed["b"].files.pop(CONFIG)
    shut(changed, "b")
    told = [event for event in changed.phase("look").journal.events() if event.what == "edited"]
    assert [(event.host, event.detail["path"]) for event in told] == [("b", CONFIG)] * 2
    assert [event.detail["now"] for event in told] == [[sha256(b"EDIT 1").hexdigest(), 0o640], None]


def test_a_kept_file_that_is_edited_again_before_the_end_is_not_as_decided(changed: Hosts) -> None:
    changed["b"].put(CONFIG, b"EDITED")
    phase = changed.phase("90_x")
    phase.journal.write("decided", "b", path=CONFIG, decision="keep", how="--keep")
    undoing.apply(phase, undoing.plan(phase))
    changed["b"].put(CONFIG, b"EDITED again")
    assert verdicts(undoing.restored(phase))["b"] is Verdict.FAILED


def test_only_a_file_that_is_to_be_kept_may_differ(changed: Hosts) -> None:
    changed["b"].put(CONFIG, b"EDITED")
    phase = changed.phase("90_x")
    phase.journal.write("decided", "b", path=CONFIG, decision="overwrite", how="--overwrite")
    undoing.apply(phase, undoing.plan(phase))
    changed["b"].put(CONFIG, b"EDITED again")
    assert verdicts(undoing.restored(phase))["b"] is Verdict.FAILED
    assert rolled_back(changed) == 0


def test_what_was_decided_on_one_host_is_not_decided_on_another(changed: Hosts) -> None:
    for host in "ab":
        changed[host].put(CONFIG, b"EDITED")
    phase = changed.phase("90_x")
    phase.journal.write("decided", "b", path=CONFIG, decision="keep", how="--keep")
    planned = undoing.decide(phase, undoing.plan(phase))
    assert [host for host, _ in planned.conflicts] == ["a"]


def test_an_edit_of_a_kept_file_does_not_hide_what_else_is_not_back(changed: Hosts) -> None:
    changed["b"].put(CONFIG, b"EDITED")
    phase = changed.phase("90_x")
    phase.journal.write("decided", "b", path=CONFIG, decision="keep", how="--keep")
    undoing.apply(phase, undoing.plan(phase))
    changed["b"].units[SERVICE].active = "failed"
    bad = [check for check in undoing.restored(phase) if check.verdict is Verdict.FAILED]
    assert [check.host for check in bad] == ["b"]
    assert bad[0].observed.startswith(SERVICE)


def test_a_host_that_fails_does_not_keep_others_from_being_put_back(changed: Hosts) -> None:
    changed["d"].refuses = f"remove {MORE}"
    phase = changed.phase("90_x")
    with pytest.raises(CommandFailed, match=r"^d: "):
        undoing.apply(phase, undoing.plan(phase))
    assert changed.config() == dict.fromkeys("abcd", b"OLD")
    assert [host for host in "abcd" if MORE in changed[host].files] == ["d"]
    assert verdicts(undoing.restored(phase)) == {**dict.fromkeys("abc", Verdict.SUCCESSFUL), "d": Verdict.FAILED}
    assert rolled_back(changed) == 0
    changed["d"].refuses = None  # and once more
    undoing.apply(phase, undoing.plan(phase))
    assert set(verdicts(undoing.restored(phase)).values()) == {Verdict.SUCCESSFUL}
    assert rolled_back(changed) == 1


def lose(hosts: Hosts, host: str, kind: type[RunbookError] = Unreachable) -> None:
    """Let a host answer nothing any more but this error."""

    def gone(_what: str) -> None:
        raise kind("no answer", remedy="look at the network", host=host)

    hosts[host].moment = gone


def find(hosts: Hosts, host: str) -> None:
    hosts[host].moment = lambda _what: None


@pytest.mark.parametrize("kind", [Unreachable, HostKeyRefused, AuthenticationRefused, DeadlineExceeded, CommandFailed])
def test_a_host_out_of_reach_keeps_no_other_from_going_back(changed: Hosts, kind: type[RunbookError]) -> None:
    lose(changed, "d", kind)
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    assert list(planned.plans) == ["c", "b", "a"]
    shown = str(planned)
    assert shown.startswith("Out of reach, and not put back now; the other hosts are")
    assert "no answer" in shown.partition("Rollback")[0]
    checks = undoing.fit(phase, planned)
    assert verdicts(checks) == dict.fromkeys("dcba", Verdict.SUCCESSFUL)  # it goes on, and says without whom
    assert checks[0].observed == "out of reach, not put back now: no answer; the rollback ends as failed until it is"
    table = undoing.apply(phase, planned)
    assert table.rows[-1][:2] == ("d", "out of reach: not put back")
    assert [changed.config()[host] for host in "abc"] == [b"OLD"] * 3
    assert [host for host in "abcd" if MORE in changed[host].files] == ["d"]


def test_a_host_that_the_site_file_names_no_more_keeps_no_other_from_going_back(changed: Hosts) -> None:
    phase = changed.phase("90_x")
    inventory = {name: host for name, host in phase.site.hosts.items() if name != "d"}
    phase = replace(phase, site=phase.site.model_copy(update={"hosts": inventory}))
    planned = undoing.plan(phase)
    assert list(planned.plans) == ["c", "b", "a"]
    assert "lab.yaml names it no more" in planned.unreached["d"].what
    undoing.apply(phase, planned)
    assert [host for host in "abcd" if MORE in changed[host].files] == ["d"]
    assert verdicts(undoing.restored(phase))["d"] is Verdict.FAILED


def test_nothing_is_rolled_back_before_a_host_out_of_reach_is(changed: Hosts) -> None:
    lose(changed, "d")
    phase = changed.phase("90_x")
    undoing.apply(phase, undoing.plan(phase))
    checks = undoing.restored(phase)
    assert verdicts(checks) == {**dict.fromkeys("abc", Verdict.SUCCESSFUL), "d": Verdict.FAILED}
    (bad,) = [check for check in checks if check.verdict is Verdict.FAILED]
    assert bad.observed == "out of reach: no answer"
    assert bad.remedy.startswith("bring the host back, then `runbook rollback --change c` again")
    assert rolled_back(changed) == 0
    find(changed, "d")  # and once more
    again = changed.phase("90_x")
    table = undoing.apply(again, undoing.plan(again))
    assert {row[0]: row[1] for row in table.rows}["d"] == "put back"
    assert [host for host in "abcd" if MORE in changed[host].files] == []
    assert set(verdicts(undoing.restored(again)).values()) == {Verdict.SUCCESSFUL}
    assert rolled_back(changed) == 1


def test_a_host_that_comes_back_meanwhile_is_put_back_by_the_next_rollback(changed: Hosts) -> None:
    lose(changed, "d")
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    find(changed, "d")
    undoing.apply(phase, planned)
    assert [host for host in "abcd" if MORE in changed[host].files] == ["d"]  # nobody was shown what would be done
    assert verdicts(undoing.restored(phase))["d"] is Verdict.FAILED
    assert rolled_back(changed) == 0


def test_with_no_host_in_reach_nothing_is_planned(changed: Hosts) -> None:
    for host in "abcd":
        lose(changed, host)
    with pytest.raises(Unreachable, match=r"a: no answer .also failed: b, c, d."):
        undoing.plan(changed.phase("90_x"))


def test_an_undecided_edit_is_never_overwritten_and_the_others_are_put_back(changed: Hosts) -> None:
    changed["d"].put(MORE, b"EDITED")
    phase = changed.phase("90_x")
    with pytest.raises(EditedSince, match=r"^d: "):
        undoing.apply(phase, undoing.plan(phase))
    assert changed["d"].files[MORE].data == b"EDITED"
    assert [host for host in "abcd" if MORE in changed[host].files] == ["d"]


def test_a_host_that_was_edited_since_the_plan_is_left_alone(changed: Hosts) -> None:
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    changed["b"].put(CONFIG, b"EDITED")
    with pytest.raises(StalePlan, match=r"^b: .*was edited"):
        undoing.apply(phase, planned)
    assert changed.config() == {"a": b"OLD", "b": b"EDITED", "c": b"OLD", "d": b"OLD"}


def test_an_abort_ends_it_before_the_next_batch(changed: Hosts) -> None:
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    asked: list[str] = []

    def moment(what: str) -> None:
        if what.startswith("after remove") and not asked:
            asked.append(what)
            request(phase.journal, "abort", reason="fire")

    changed["d"].moment = moment
    with pytest.raises(Aborted):
        undoing.apply(phase, planned)
    assert asked
    assert changed.config()["a"] == b"NEW"


def test_a_dry_run_touches_nothing(changed: Hosts) -> None:
    stood = changed.like()
    phase = changed.phase("90_x", dry_run=True)
    table = undoing.apply(phase, undoing.plan(phase))
    assert {row[1] for row in table.rows} == {"dry run"}
    assert [check.verdict for check in undoing.restored(phase)] == [Verdict.SUCCESSFUL]
    assert changed.like() == stood
    assert rolled_back(changed) == 0


def test_after_a_gate_that_stopped_nothing_is_undone(changed: Hosts) -> None:
    stood = changed.like()
    phase = changed.phase("90_x")
    planned = undoing.plan(phase)
    phase.stopped_by.add("gate can go back")
    with pytest.raises(GateFailed, match="gate can go back did not let pass"):
        undoing.apply(phase, planned)
    assert changed.like() == stood


def test_where_nothing_was_touched_there_is_nothing_to_undo(hosts: Hosts) -> None:
    with pytest.raises(ApplyFailed, match="this change has touched no host -> there is nothing to undo"):
        undoing.plan(hosts.phase("90_x"))


def test_every_step_is_shown_with_what_came_of_it(hosts: Hosts) -> None:
    change(hosts, "30_x", "ab", b=b"BAD")
    phase = hosts.phase("90_x")
    phase.journal.write("intent", "c", kind="file", key="file:x", act="write x")  # and then the power failed
    rows = undoing.done(phase).rows
    assert {row[3] for row in rows if row[:2] == ("30_x", "a")} == {"done"}
    came = [row[3] for row in rows if row[1] == "b"]
    assert came[0] == "done"
    assert came[1].startswith("failed: ")
    assert came[2:]
    assert set(came[2:]) == {"undone"}  # it was put back
    assert rows[-1][1:] == ("c", "write x", "cut off")
