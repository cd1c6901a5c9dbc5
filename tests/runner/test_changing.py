"""A roll-out over hosts in memory: in batches, what fails is put back, and what is meant for all of them ends it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from typing import Any

import pytest
from memory_fleet import CONFIG, SERVICE, STATE, Hosts, hosts, in_memory, wanted

from runbook_lib.change import saved
from runbook_lib.change.control import request
from runbook_lib.errors import Aborted, GateFailed, RunbookError, StalePlan, Stopped, Unreachable
from runbook_lib.runner import changing
from runbook_lib.runner.changing import Rollout, Up
from runbook_lib.values import Check, Verdict

__all__ = ["hosts", "in_memory"]


def seen(host: str, verdict: Verdict = Verdict.SUCCESSFUL) -> Check:
    return Check("bot", verdict, "well", "well" if verdict is Verdict.SUCCESSFUL else "coughs", host)


def well(changed: tuple[str, ...]) -> list[Check]:
    return [seen(host) for host in changed]


def unwell(*sick: str, verdict: Verdict = Verdict.FAILED) -> Up:
    """All come up well, but for these."""
    return lambda changed: [seen(host, verdict) if host in sick else seen(host) for host in changed]


def roll_out(hosts: Hosts, up: Up = well, *, phase: Any = None, names: str = "abcd", **how: Any) -> Rollout:
    content = how.pop("content", {})
    phase = phase or hosts.phase()
    planned = changing.plan(phase, "Bots", wanted(names, **content))
    return changing.change_all(phase, planned, up, hosts=list(names), **{"size": 1, **how})


def results(rollout: Rollout) -> dict[str, str]:
    return {attempt.host: attempt.result for attempt in rollout.attempts}


def told(hosts: Hosts, what: str) -> list[Any]:
    return [event for event in hosts.phase("look").journal.events() if event.what == what]


@pytest.mark.parametrize(
    ("size", "batches"),
    [(1, [["a"], ["b"], ["c"], ["d"]]), (3, [["a", "b", "c"], ["d"]]), (9, [["a", "b", "c", "d"]])],
)
def test_hosts_are_changed_in_batches_and_looked_at_after_each(
    hosts: Hosts, size: int, batches: list[list[str]]
) -> None:
    looked: list[list[str]] = []

    def up(changed: tuple[str, ...]) -> list[Check]:
        looked.append([host for host in "abcd" if hosts[host].files[CONFIG].data == b"NEW"])
        return well(changed)

    rollout = roll_out(hosts, up, size=size)
    assert [event.detail["hosts"] for event in told(hosts, "batch")] == batches
    assert looked == [list(chain(*batches[: n + 1])) for n in range(len(batches))]  # those after it are not touched yet
    assert results(rollout) == dict.fromkeys("abcd", "changed")
    assert [check.host for check in rollout.checks] == list("abcd")
    assert hosts.locked == [("a", "b", "c", "d")]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"up": unwell("b")}, "bot: coughs"),
        ({"up": unwell("b", verdict=Verdict.INCONCLUSIVE)}, "bot: coughs"),
        ({"content": {"b": b"BAD"}}, "changed: bot.service"),  # its service fails with this config
    ],
)
def test_a_host_that_fails_is_put_back_and_the_rest_is_not_reached(
    hosts: Hosts, how: dict[str, Any], said: str
) -> None:
    before = hosts.like()
    rollout = roll_out(hosts, **how)
    assert results(rollout) == {
        "a": "changed", "b": "failed, and put back as it was", "c": "not reached", "d": "not reached",
    }  # fmt: skip
    now = hosts.like()
    assert {host: now[host] for host in "bcd"} == {host: before[host] for host in "bcd"}
    assert hosts["a"].files[CONFIG].data == b"NEW"
    (put_back,) = told(hosts, "put back")
    assert put_back.host == "b"
    assert put_back.detail["why"].startswith(said)
    assert [check.host for check in rollout.checks if check.verdict is not Verdict.SUCCESSFUL] == ["b", "c", "d"]
    assert "not reached" in rollout.checks[-1].observed


@pytest.mark.parametrize(("budget", "reached"), [(0, "a"), (1, "abc"), (2, "abcd")])
def test_a_budget_says_how_many_may_fail(hosts: Hosts, budget: int, reached: str) -> None:
    rollout = roll_out(hosts, unwell("a", "c"), budget=budget)
    assert "".join(attempt.host for attempt in rollout.attempts if attempt.reached) == reached
    assert [event.host for event in told(hosts, "put back")] == [host for host in "ac" if host in reached]


def test_others_of_its_batch_stay_changed(hosts: Hosts) -> None:
    rollout = roll_out(hosts, unwell("a"), size=2)
    assert results(rollout)["b"] == "changed"
    assert hosts.config() == {"a": b"OLD", "b": b"NEW", "c": b"OLD", "d": b"OLD"}


def test_it_goes_back_to_before_the_first_attempt_of_this_phase_and_no_further(hosts: Hosts) -> None:
    before = hosts.phase("30_w")
    planned = changing.plan(before, "Before", wanted("a", path="bot/more.json"))
    changing.change_all(before, planned, well, hosts=["a"], size=1)
    stood = hosts["a"].like()
    for number in count(step=3):  # cut off at moment after moment until nothing is left to do
        with hosts["a"].killed_at(number):
            roll_out(hosts, names="a")
        if changing.plan(hosts.phase(), "Bots", wanted("a")).empty:
            break
        assert results(roll_out(hosts, unwell("a"), names="a")) == {"a": "failed, and put back as it was"}
        assert hosts["a"].like() == stood, number
    assert number > 10
    assert "bot/more.json" in hosts["a"].files


def test_what_the_bot_wrote_by_itself_goes_with_it(hosts: Hosts) -> None:
    there: list[bool] = []

    def up(changed: tuple[str, ...]) -> list[Check]:
        there.append(STATE in hosts["a"].directories)
        return list(unwell("a")(changed))

    roll_out(hosts, up, names="a")
    assert there == [True]
    assert STATE not in hosts["a"].directories


def test_a_dry_run_touches_nothing(hosts: Hosts) -> None:
    before = hosts.like()
    phase = hosts.phase(dry_run=True)
    rollout = roll_out(hosts, lambda _: pytest.fail("nobody came up"), phase=phase)
    assert set(results(rollout).values()) == {"dry run"}
    assert {check.verdict for check in rollout.checks} == {Verdict.SUCCESSFUL}
    assert hosts.like() == before
    assert {event.what for event in phase.journal.events()} == {"opened"}
    assert hosts.locked == []


def test_after_a_gate_that_stopped_nothing_is_touched(hosts: Hosts) -> None:
    phase = hosts.phase()
    phase.stopped_by.add("gate configs")
    with pytest.raises(GateFailed, match="gate configs did not let pass"):
        roll_out(hosts, phase=phase)
    assert set(hosts.config().values()) == {b"OLD"}


@pytest.mark.parametrize(
    ("word", "detail", "error"), [("abort", {"reason": "fire"}, Aborted), ("stop", {"signal": "SIGTERM"}, Stopped)]
)
@pytest.mark.parametrize("when", ["after begin to write bot/config.json", "after stop bot.service"])
def test_a_word_to_all_ends_the_run_and_puts_nothing_back(
    hosts: Hosts, word: Any, detail: dict[str, str], error: type[RunbookError], when: str
) -> None:
    phase = hosts.phase()
    said: list[str] = []

    def moment(what: str) -> None:
        if what == when and not said:
            said.append(what)
            request(phase.journal, word, **detail)

    hosts["b"].moment = moment
    with pytest.raises(error):
        roll_out(hosts, phase=phase)
    assert said
    assert hosts.config() == {"a": b"NEW", "b": b"NEW", "c": b"OLD", "d": b"OLD"}  # the step in hand was ended
    assert told(hosts, "put back") == []


def test_an_abort_while_a_host_is_put_back_ends_the_run_when_it_is_back(hosts: Hosts) -> None:
    before, phase = hosts.like(), hosts.phase()

    def up(changed: tuple[str, ...]) -> Sequence[Check]:
        hosts["a"].moment = lambda what: what.startswith("before stop") and request(phase.journal, "abort", reason="x")  # type: ignore[assignment]  # what it returns is of no interest
        return unwell("a")(changed)

    with pytest.raises(Aborted):
        roll_out(hosts, up, phase=phase)
    assert hosts.like() == before


@pytest.mark.parametrize("word", ["abort", "bug"])
def test_whatever_ends_the_wait_for_its_batch_a_host_that_failed_is_put_back(hosts: Hosts, word: str) -> None:
    before, phase = hosts.like(), hosts.phase()

    def up(changed: tuple[str, ...]) -> Sequence[Check]:
        assert changed == ("b",)
        if word == "bug":
            raise ZeroDivisionError
        request(phase.journal, "abort", reason="x")
        phase.check()
        pytest.fail("nobody was asked")

    with pytest.raises(Aborted if word == "abort" else ZeroDivisionError):
        roll_out(hosts, up, phase=phase, size=2, content={"a": b"BAD"})
    assert hosts.like()["a"] == before["a"]
    assert hosts.config()["b"] == b"NEW", "what did not fail stays"


def test_a_host_that_was_edited_since_it_was_planned_ends_the_run(hosts: Hosts) -> None:
    phase = hosts.phase()
    planned = changing.plan(phase, "Bots", wanted())
    hosts["b"].put(CONFIG, b"EDITED")
    with pytest.raises(StalePlan, match=r"b: .*bot/config.json was edited"):
        changing.change_all(phase, planned, well, hosts=list("abcd"), size=1)
    assert hosts.config() == {"a": b"NEW", "b": b"EDITED", "c": b"OLD", "d": b"OLD"}
    assert told(hosts, "put back") == []
    (stale,) = told(hosts, "stale")
    assert stale.host == "b", "what was approved counts no more"


@pytest.mark.parametrize("how", ["edited", "stopped"])
def test_what_ends_the_run_on_one_host_leaves_no_other_of_its_batch_with_what_it_failed_with(
    hosts: Hosts, how: str
) -> None:
    before, phase = hosts.like(), hosts.phase()
    planned = changing.plan(phase, "Bots", wanted("abc", b=b"BAD"))
    if how == "edited":
        hosts["c"].put(CONFIG, b"EDITED")
    else:
        hosts["c"].moment = lambda what: what.startswith("after begin") and request(phase.journal, "stop", signal="x")  # type: ignore[assignment]  # what it returns is of no interest
    with pytest.raises(StalePlan if how == "edited" else Stopped):
        changing.change_all(phase, planned, well, hosts=list("abc"), size=3)
    assert hosts.like()["b"] == before["b"]
    (put_back,) = told(hosts, "put back")
    assert put_back.host == "b"
    assert put_back.detail["why"].startswith("changed: bot.service")
    assert hosts.config()["a"] == b"NEW", "what did not fail stays"


def test_a_plan_that_was_saved_must_fit_before_anything_is_touched(hosts: Hosts) -> None:
    phase = hosts.phase()
    planned = changing.plan(phase, "Bots", wanted())
    saved.save(phase.folder.path, "40_x", planned.plans, by="x", at=0.0)
    hosts["d"].put(CONFIG, b"EDITED")
    with pytest.raises(StalePlan, match="the saved plan of 40_x no longer fits"):
        roll_out(hosts, phase=phase, names="abcd")
    assert hosts.config()["a"] == b"OLD"


@pytest.mark.parametrize("how", ["gone", "another"])
def test_a_plan_that_was_saved_must_be_the_one_that_the_journal_tells_of(hosts: Hosts, how: str) -> None:
    phase = hosts.phase()
    planned = changing.plan(phase, "Bots", wanted())
    digest = saved.save(phase.folder.path, "40_x", planned.plans, by="x", at=0.0)
    phase.journal.write("planned", plan="40_x", digest=digest, named=[])
    path = phase.folder.plans / "40_x.json"
    if how == "gone":
        path.unlink()
    else:
        saved.save(phase.folder.path, "40_x", planned.plans, by="somebody", at=0.0)
    with pytest.raises(StalePlan, match="it is not the plan that the journal tells of"):
        roll_out(hosts, phase=phase)
    assert hosts.config()["a"] == b"OLD"
    saved.save(phase.folder.path, "40_x", planned.plans, by="x", at=0.0)
    assert results(roll_out(hosts, phase=phase))["a"] == "changed"


def test_what_this_plan_did_to_the_first_hosts_makes_it_no_other_for_the_rest(hosts: Hosts) -> None:
    """Also where the first host was found in the midst of a way back that was cut off, and is not there any more."""
    phase = hosts.phase()
    saved.save(phase.folder.path, "40_x", changing.plan(phase, "Bots", wanted()).plans, by="x", at=0.0)
    phase.journal.write("undo", "a", kind="unit", key=f"unit:{SERVICE}", act=f"stop {SERVICE}")
    hosts["a"].units[SERVICE].active = "inactive"
    planned = changing.plan(phase, "Bots", wanted())
    changing.change_all(phase, planned, well, hosts=["a"], size=1)
    changing.change_all(phase, planned, well, hosts=list("bcd"), size=1)
    assert hosts.config() == dict.fromkeys("abcd", b"NEW")


@pytest.mark.parametrize("before", ["by this phase", "by somebody else"])
def test_a_host_that_was_as_it_should_be_and_is_not_well_is_left_alone(hosts: Hosts, before: str) -> None:
    if before == "by this phase":
        roll_out(hosts, names="a")
    else:
        hosts["a"].put(CONFIG, b"NEW", mode=0o644)
        hosts["a"].units[SERVICE].read = (b"[Service]", b"NEW")
    stood = hosts["a"].like()
    rollout = roll_out(hosts, unwell("a"), names="ab")
    assert results(rollout) == {"a": "failed", "b": "not reached"}
    assert hosts["a"].like() == stood
    assert told(hosts, "put back") == []


def test_a_host_that_was_done_and_cannot_be_looked_at_again_is_left_alone(hosts: Hosts) -> None:
    roll_out(hosts, names="a")
    stood, phase = hosts["a"].like(), hosts.phase()
    planned = changing.plan(phase, "Bots", wanted("a"))

    def lost(what: str) -> None:
        if what == "before a look":
            raise Unreachable("no answer", remedy="look", host="a")

    hosts["a"].moment = lost
    rollout = changing.change_all(phase, planned, well, hosts=["a"], size=1)
    hosts["a"].moment = lambda _what: None
    assert results(rollout) == {"a": "failed"}
    assert hosts["a"].like() == stood
    assert told(hosts, "put back") == []


def test_a_host_that_was_done_and_fails_at_something_new_goes_back_to_what_it_was_when_it_was_done(
    hosts: Hosts,
) -> None:
    roll_out(hosts, names="a")
    stood = hosts["a"].like()
    assert results(roll_out(hosts, unwell("a"), names="a", content={"a": b"NEWER"})) == {
        "a": "failed, and put back as it was"
    }
    assert hosts["a"].like() == stood


def test_a_host_that_was_cut_off_before_anybody_saw_it_well_is_put_back_if_it_is_not(hosts: Hosts) -> None:
    before, phase = hosts.like(), hosts.phase()
    with pytest.raises(ZeroDivisionError):
        roll_out(hosts, lambda _: [][1 // 0], phase=phase, names="a")
    assert results(roll_out(hosts, unwell("a"), names="a")) == {"a": "failed, and put back as it was"}
    assert hosts.like() == before


def test_a_resumed_roll_out_tells_what_was_done_already(hosts: Hosts) -> None:
    roll_out(hosts, names="ab")
    assert results(roll_out(hosts)) == {
        "a": "already as it should be", "b": "already as it should be", "c": "changed", "d": "changed",
    }  # fmt: skip


def test_a_host_that_cannot_be_put_back_says_so_beside_why_it_failed(hosts: Hosts) -> None:
    def up(changed: tuple[str, ...]) -> Sequence[Check]:
        hosts["a"].refuses = "begin to copy"
        return unwell("a")(changed)

    rollout = roll_out(hosts, up)
    assert results(rollout)["a"] == "failed"
    bad = [(check.name, check.host) for check in rollout.attempts[0].checks if check.verdict is Verdict.FAILED]
    assert bad == [("bot", "a"), ("put back", "a")]
    assert rollout.attempts[1].result == "not reached"


def test_a_host_whose_lock_is_lost_in_the_middle_is_left_as_it_stands(hosts: Hosts) -> None:
    """Somebody else may be at work there: neither the next step is done, nor is it put back."""
    hosts["b"].moment = lambda what: hosts.locks.lost.add("b") if what == f"after write {CONFIG}" else None
    rollout = roll_out(hosts)
    assert results(rollout) == {"a": "changed", "b": "failed", "c": "not reached", "d": "not reached"}
    bad = [(check.name, check.host, check.observed) for check in rollout.attempts[1].checks]
    assert bad == [("changed", "b", "its lock was lost"), ("put back", "b", "its lock was lost")]
    assert hosts["b"].acts[-1] == f"write {CONFIG}"
    assert hosts["b"].units[SERVICE].read == (b"[Service]", b"OLD")
    assert told(hosts, "put back") == []


def test_a_plan_and_a_roll_out_are_shown(hosts: Hosts) -> None:
    phase = hosts.phase()
    planned = changing.plan(phase, "Bots", wanted("ab"))
    assert not planned.empty
    text = str(planned)
    assert "+NEW" in text
    assert "what it reads changes" in text
    done = changing.change_all(phase, planned, unwell("b"), hosts=["a", "b"], size=1)
    assert "failed, and put back as it was" in str(done)
    assert changing.plan(phase, "Bots", wanted("a")).empty
