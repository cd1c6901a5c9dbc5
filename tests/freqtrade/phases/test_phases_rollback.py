"""The rollback's gates, and what it proves of claim C9: each by its own check."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from phase_double import PhaseDouble
from test_claims import CAREFUL
from test_validate import FEEDERS, reading

from runbook_lib.change.journal import START, Event
from runbook_lib.errors import RecordError
from runbook_lib.freqtrade import claims as plan_claims
from runbook_lib.freqtrade.phases import rollback
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.values import Check, Claim, Verdict

HOSTS = ("73", "108", *FEEDERS)
BEFORE = reading(dict.fromkeys(FEEDERS, 330))


class Rolling(PhaseDouble):
    """``told``: what earlier notebooks kept; the journal is that of a careful change."""

    def __init__(self, told: dict[tuple[str, str], Any], *, streams: bool = False, dry_run: bool = False) -> None:
        super().__init__(dry_run=dry_run)
        if streams:
            bots = self.site.freqtrade.model_copy(update={"enable_ws": True})
            self.site = self.site.model_copy(update={"freqtrade": bots})
        self._told = told
        events = [Event(number, 0.0, "me@here", *event, START) for number, event in enumerate(CAREFUL, 1)]
        self.journal = SimpleNamespace(events=lambda: events)

    def earlier(self, phase: str, name: str) -> Any:
        if (phase, name) not in self._told:
            raise RecordError(f"phase {phase} was not run", remedy="run it first")
        return self._told[phase, name]


def shown(now: Reading) -> Any:
    return SimpleNamespace(measured=SimpleNamespace(reading=now))


def bad(now: Reading, before: Reading = BEFORE, **how: bool) -> list[tuple[str, str | None]]:
    phase: Any = Rolling({("20_baseline", "reading"): before.model_dump()}, **how)
    gate = rollback.gate(phase, shown(now))
    return [(check.name, check.host) for check in gate.checks if check.verdict is not Verdict.SUCCESSFUL]


def test_feeders_that_ask_as_before_and_silent_producers_pass() -> None:
    assert bad(reading(dict.fromkeys(FEEDERS, 330))) == []
    streams = {**dict.fromkeys(HOSTS, 0), **dict.fromkeys(FEEDERS, 110)}
    assert bad(reading({}, streams=streams), reading({}, streams=streams), streams=True) == []


def test_a_feeder_that_asks_less_still_lives_on_a_producer() -> None:
    assert bad(reading({**dict.fromkeys(FEEDERS, 330), "120": 0})) == [("candle requests per candle", "120")]
    streams = {**dict.fromkeys(HOSTS, 0), **dict.fromkeys(FEEDERS, 110)}
    now = reading({}, streams={**streams, "121": 0})
    assert bad(now, reading({}, streams=streams), streams=True) == [("kline streams", "121")]


def test_a_producer_that_still_asks_was_left_running() -> None:
    names = bad(reading({**dict.fromkeys(FEEDERS, 330), "73": 165}))
    assert ("no producer left", "73") in names
    assert ("no producer left", "108") not in names


def test_the_record_says_what_is_back() -> None:
    phase: Any = Rolling({("20_baseline", "reading"): BEFORE.model_dump()})
    rollback.gate(phase, shown(BEFORE))
    assert phase.kept["sentence"] == (
        "rolled back: every file and service as before, 440 candle requests per candle again"
    )
    shown_beside = {name: phase.kept["figures"][f"candle_requests_per_candle_{name}"] for name in ("before", "after")}
    assert shown_beside == {"before": 440, "after": 440}
    assert dict(phase.kept["figure_units"])["candle_requests_per_candle"] == "requests per candle, whole fleet"


def restored(
    monkeypatch: pytest.MonkeyPatch, verdict: Verdict, *, ready: Verdict = Verdict.SUCCESSFUL, **how: Any
) -> tuple[Verdict, dict[str, Claim]]:
    back = [Check("as it was before", verdict, "e", "o", host) for host in HOSTS]
    monkeypatch.setattr(rollback.undoing, "restored", lambda _phase: list(back))
    monkeypatch.setattr(rollback.bots, "await_ready", lambda *_: [Check("bot ready", ready, "e", "o", "75")])
    phase: Any = Rolling(how.pop("told", {}), **how)
    gate = rollback.restored(phase)
    assert phase.kept["restored"] == back  # not what became of the bots: that is another promise
    return gate.verdict, {claim.id: claim for claim in phase.kept["claims"]}


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_came_back_speaks_for_low_risk(monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    gate, claims = restored(monkeypatch, verdict)
    assert gate is verdict
    assert claims["C9"].verdict is verdict
    assert list(claims) == list(plan_claims.PLAN)
    others = {claim.verdict for name, claim in claims.items() if name != "C9"}
    assert others == {Verdict.INCONCLUSIVE}  # nothing was validated


def test_feeders_that_do_not_come_up_again_fail_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, _ = restored(monkeypatch, Verdict.SUCCESSFUL, ready=Verdict.FAILED)
    assert gate is Verdict.FAILED


def proven(verdict: str) -> list[dict[str, str]]:
    return [
        {"id": name, "claim": "c", "expected": "e", "observed": "o", "evidence": "v", "verdict": verdict}
        for name in plan_claims.PLAN
    ]


@pytest.mark.parametrize("judged", ["60_validate", "70_failover_drill"])
def test_what_was_proven_before_stays_so(monkeypatch: pytest.MonkeyPatch, judged: str) -> None:
    told = {("60_validate", "claims"): proven("Inconclusive"), (judged, "claims"): proven("Successful")}
    _, claims = restored(monkeypatch, Verdict.FAILED, told=told)
    assert claims["C9"].verdict is Verdict.FAILED
    assert {claim.verdict for name, claim in claims.items() if name != "C9"} == {Verdict.SUCCESSFUL}


def test_a_dry_run_proves_nothing_and_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, claims = restored(monkeypatch, Verdict.SUCCESSFUL, ready=Verdict.FAILED, dry_run=True)
    assert gate is Verdict.SUCCESSFUL  # no bot was waited for
    assert claims["C9"].verdict is Verdict.INCONCLUSIVE
