"""One consumer goes first and is watched over whole candles; only then do the others follow, in batches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from phase_double import PhaseDouble, host_plan
from test_validate import reading

from runbook_lib.change.rollout import Attempt
from runbook_lib.errors import Unreachable
from runbook_lib.freqtrade.candles import CandleSet
from runbook_lib.freqtrade.feed_state import FeedReport
from runbook_lib.freqtrade.phases import consumers
from runbook_lib.gates import at_least, equal, holds
from runbook_lib.params.model import Rollout as Limits
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.values import Check, FleetResult, HostResult, Verdict

HOSTS = ["75", "120", "121", "124"]
NOT_ASKED: Any = None


def planned(*, left: tuple[str, ...] = tuple(HOSTS)) -> Planned:
    plans = {host: host_plan(host, empty=host not in left) for host in HOSTS}
    return Planned("Consumers", "40_consumers", dict.fromkeys(HOSTS, NOT_ASKED), plans)


def phase(**limits: int) -> Any:
    made = PhaseDouble()
    made.site = made.site.model_copy(update={"rollout": Limits(**limits)})
    return made


def attempt(host: str, own: int = 0) -> Attempt:
    return Attempt(host, "changed", 1.0, (equal("own candle requests since start", own, 0, host=host),))


@pytest.fixture
def rolled_out(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How roll-outs were asked for; every host comes up well."""
    asked: list[dict[str, Any]] = []

    def change_all(_phase: object, _plan: object, up: Any, **how: Any) -> Rollout:
        asked.append({**how, "up": up})
        return Rollout(tuple(attempt(host) for host in how["hosts"]))

    monkeypatch.setattr(consumers.changing, "change_all", change_all)
    return asked


@pytest.mark.parametrize(("canaries", "batch", "budget"), [(1, 1, 0), (1, 2, 1), (2, 3, 0), (9, 1, 0)])
def test_the_canary_goes_alone_and_the_others_as_the_site_says(
    rolled_out: list[dict[str, Any]], canaries: int, batch: int, budget: int
) -> None:
    double = phase(canary=canaries, batch=batch, failure_budget=budget)
    first = consumers.canary(double, planned())
    assert [one.host for one in first.attempts] == HOSTS[:canaries]
    every = consumers.rest(double, planned(), first)
    assert [how["hosts"] for how in rolled_out] == [HOSTS[:canaries], HOSTS[canaries:]]
    assert {(how["size"], how["budget"]) for how in rolled_out} == {(batch, budget)}
    assert [one.host for one in every.attempts] == HOSTS  # the gate judges all of them
    assert consumers.gate(double, every).verdict is Verdict.SUCCESSFUL
    assert [check.host for check in double.kept["start"]] == HOSTS  # what claim C7 is judged by


def test_hosts_that_were_not_reached_fail_the_gate() -> None:
    rollout = Rollout((attempt("75"), attempt("120", own=3), Attempt("121", "not reached")))
    gate = consumers.gate(phase(), rollout)
    assert [check.host for check in gate.checks if check.verdict is Verdict.FAILED] == ["120", "121"]
    assert "not reached" in gate.checks[-1].observed


def test_those_that_were_changed_are_waited_for_and_looked_at(
    monkeypatch: pytest.MonkeyPatch, rolled_out: list[dict[str, Any]]
) -> None:
    ready, came_up = equal("ready", 1, 1, host="120"), equal("came up", 1, 1, host="120")
    asked: list[list[str]] = []
    monkeypatch.setattr(consumers.bots, "await_ready", lambda _f, _s, who, _r: asked.append(list(who)) or [ready])
    monkeypatch.setattr(consumers, "_started", lambda _phase, hosts: asked.append(list(hosts)) or [came_up])
    consumers.rest(phase(), planned(), Rollout(()))
    assert rolled_out[0]["up"](("120", "121")) == [ready, came_up]
    assert asked == [["120", "121"], ["120", "121"]]


def test_a_consumer_of_which_nothing_can_be_read_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    report = FeedReport(started=100.0, state="serving", served=9, own_requests=0, fallbacks={}, by_producer={})

    def look(task: Any, hosts: Any) -> FleetResult[Any]:
        down: HostResult[Any] = HostResult("121", error=Unreachable("no answer"))
        return FleetResult(
            (*(HostResult(host, task(SimpleNamespace(name=host))) for host in hosts if host == "120"), down)
        )

    unit = SimpleNamespace(active_since=100.4)
    monkeypatch.setattr(
        consumers, "Units", lambda *_: SimpleNamespace(observe=lambda names: dict.fromkeys(names, unit))
    )
    monkeypatch.setattr(consumers.feed_state, "read", lambda *_: report)
    monkeypatch.setattr(consumers, "TOLD_WITHIN_SECONDS", 0.0)
    monkeypatch.setattr(consumers.bots, "newest", lambda *_: CandleSet("120", {}))
    double = phase()
    double.fleet = SimpleNamespace(on_all=look)
    checks = consumers._started(double, ("120", "121"))
    assert (checks[0].name, checks[0].verdict) == ("the feed speaks of this start", Verdict.SUCCESSFUL)
    assert (checks[-1].host, checks[-1].observed, checks[-1].verdict) == ("121", "no answer", Verdict.FAILED)


@pytest.mark.parametrize(("rounds", "told"), [(3, {"producer-73": 2, "producer-108": 2}), (99, {"producer-73": 2})])
def test_a_feed_has_some_seconds_to_tell_who_answered_it(
    monkeypatch: pytest.MonkeyPatch, rounds: int, told: dict[str, int]
) -> None:
    """It writes when a bot's round is over; by then the bot holds its candles for a while, and is looked at."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(consumers, "time", clock)

    def read(*_: object) -> FeedReport:
        counts = {"producer-73": 2, **({"producer-108": 2} if now[0] >= rounds else {})}
        return FeedReport(started=100.0, state="serving", served=4, own_requests=0, fallbacks={}, by_producer=counts)

    monkeypatch.setattr(consumers.feed_state, "read", read)
    session: Any = SimpleNamespace(name="75")
    assert consumers._report(session, phase().site, ["producer-73", "producer-108"]).by_producer == told
    assert now[0] == min(rounds, 15)


def test_a_dry_run_touches_nothing() -> None:
    double: Any = PhaseDouble(dry_run=True)  # any use of hosts fails
    every = consumers.rest(double, planned(), consumers.canary(double, planned()))
    assert {one.result for one in every.attempts} == {"dry run"}
    assert consumers.watched(double, planned(), every).verdict is Verdict.SUCCESSFUL


@pytest.mark.parametrize(
    ("since", "verdict"),
    [(None, Verdict.FAILED), (99.0, Verdict.SUCCESSFUL), (100.9, Verdict.SUCCESSFUL), (102.0, Verdict.FAILED)],
)
def test_counts_of_an_older_start_are_no_proof(since: float | None, verdict: Verdict) -> None:
    report = FeedReport(started=100.0, state="serving", served=9, own_requests=0, fallbacks={}, by_producer={})
    checks = consumers._start("75", report, CandleSet("75", {}), since, [])
    assert checks[0].verdict is verdict


@pytest.mark.parametrize(("answers", "verdict"), [(5, Verdict.SUCCESSFUL), (0, Verdict.FAILED)])
def test_every_producer_must_have_answered(answers: int, verdict: Verdict) -> None:
    counts = {"producer-73": 9, "producer-108": answers}
    report = FeedReport(started=100.0, state="serving", served=9, own_requests=0, fallbacks={}, by_producer=counts)
    checks = consumers._start("75", report, CandleSet("75", {}), 100.0, list(counts))
    (found,) = [check for check in checks if check.name == "answered by its producers"]
    assert found.verdict is verdict
    assert ("producer-108" in found.remedy) is (answers == 0)


class Watching:
    """Stands in for a measurement: it must be of the canary alone, over the candles that the site says."""

    def __init__(self, **changed: Any) -> None:
        told = {"candle_requests": {"75": 0}, "newest_age": {"75": 30.0}, **changed}
        self.reading = reading({}, **told)
        self.asked: list[tuple[list[str], list[str], int]] = []

    def measure(self, _fleet: object, _site: object, who: Any, held_by: Any, _report: object, *, candles: int) -> Any:
        self.asked.append((list(who), list(held_by), candles))
        return self


def watched(monkeypatch: pytest.MonkeyPatch, watching: Any, canary: Attempt, plan: Planned) -> list[Check]:
    monkeypatch.setattr(consumers.measure, "measure", watching.measure)
    return list(consumers.watched(phase(), plan, Rollout((canary,))).checks)


def test_a_canary_that_is_well_over_whole_candles_lets_the_others_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching()
    checks = watched(monkeypatch, watching, attempt("75"), planned())
    assert watching.asked == [(["75"], ["75"], phase().site.gates.canary_candles)]
    assert {check.verdict for check in checks} == {Verdict.SUCCESSFUL}
    assert checks[0] == attempt("75").checks[0]  # how it came up stands in the same gate


@pytest.mark.parametrize(
    ("changed", "name", "verdict"),
    [
        ({"candle_requests": {"75": 2}}, "own candle requests while watched", Verdict.FAILED),
        ({"mismatching": 1}, "cells that differ from the exchange", Verdict.FAILED),
        ({"missing": 1}, "candles missing", Verdict.FAILED),
        ({"newest_age": {"75": 1e6}}, "age of the newest candle", Verdict.FAILED),
        ({"cells": 249_999}, "cells compared", Verdict.INCONCLUSIVE),  # a quarter of what four consumers must bring
    ],
)
def test_each_thing_that_is_watched_can_stop_it(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], name: str, verdict: Verdict
) -> None:
    checks = watched(monkeypatch, Watching(**changed), attempt("75"), planned())
    bad = [check for check in checks if check.verdict is not Verdict.SUCCESSFUL]
    assert [(check.name, check.verdict) for check in bad] == [(name, verdict)]


def test_a_canary_that_could_not_be_watched_is_no_well_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def measure(self, *_: object, **__: object) -> Any:
            raise Unreachable("no answer", host="75")

    bad = [
        check
        for check in watched(monkeypatch, Down(), attempt("75"), planned())
        if check.verdict is not Verdict.SUCCESSFUL
    ]
    assert [(check.name, check.host, check.observed) for check in bad] == [("canary watched", "75", "no answer")]


@pytest.mark.parametrize(
    "bad",
    [
        attempt("75", own=3),
        Attempt("75", "failed, and put back", 1.0, (holds("fed", None, expected="yes", observed="no", host="75"),)),
    ],
)
def test_a_canary_that_failed_is_not_measured(monkeypatch: pytest.MonkeyPatch, bad: Attempt) -> None:
    watching = Watching()
    checks = watched(monkeypatch, watching, bad, planned())
    assert watching.asked == []
    assert checks == list(bad.checks)


def test_where_nothing_is_left_to_do_nobody_waits_for_candles(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching()
    checks = watched(monkeypatch, watching, attempt("75"), planned(left=()))
    assert watching.asked == []
    assert checks[-1].observed == "all 4 are done already"
    assert watched(monkeypatch, watching, attempt("75"), planned(left=("124",)))
    assert len(watching.asked) == 1  # one host left is one that a sick canary would have told of


def test_enough_history_is_needed() -> None:
    report = FeedReport(started=100.0, state="serving", served=9, own_requests=0, fallbacks={}, by_producer={})
    checks = consumers._start("75", report, CandleSet("75", {}), 100.0, [])
    assert checks[-1] == at_least("history handed over", 0, 900, unit="candles", host="75", remedy=checks[-1].remedy)
    assert checks[-1].verdict is Verdict.FAILED


def test_what_the_operator_will_miss_is_told_beside_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "drawn-elsewhere-0123456789"
    configs = {
        "75": b'{"strategy": "Mine", "log_config": {}, "external_message_consumer": {/* mine */ "producers": []}}',
        "120": b'{"strategy": "Mine"}',
        "73": b'{"api_server": {"username": "u", "password": "p-%s", "jwt_secret_key": "%s", "ws_token": "%s"}}'
        % (token.encode(), token.encode() * 2, token.encode()),
    }
    configs["108"] = configs["73"]
    site = phase().site
    double: Any = PhaseDouble(
        site.model_copy(update={"consumers": {host: site.consumers[host] for host in ("75", "120")}})
    )

    def session(host: str) -> Any:
        found = SimpleNamespace(text="freqtrade/user_data/strategies/mine.py")
        return SimpleNamespace(name=host, run=lambda *_, **__: found, python=lambda *_, **__: "cpython-311")

    def files(on: Any) -> Any:
        return SimpleNamespace(read=lambda _path: configs[on.name], stat=lambda _path: SimpleNamespace(mode=0o600))

    double.fleet = SimpleNamespace(
        on_all=lambda task, hosts: FleetResult(tuple(HostResult(host, task(session(host))) for host in hosts))
    )
    monkeypatch.setattr(consumers, "Files", files)
    monkeypatch.setattr(consumers.handover, "Files", files)
    monkeypatch.setattr(consumers.changing, "plan", lambda _phase, _title, wanted: wanted)
    wanted: Any = consumers.plan(double)
    assert set(wanted) == {"75", "120"}
    assert all("MineFed" in wanted[host].files[-1].content.decode() for host in wanted)
    (told,) = double.report.lines
    assert told.startswith("75: comments")
    assert "/* mine */; the original is kept on the host" in told
