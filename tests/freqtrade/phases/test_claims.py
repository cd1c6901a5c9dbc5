"""Each claim ends with the verdict of the checks that speak for it, and none with more than was measured."""

from __future__ import annotations

from typing import Any

import pytest
from phase_double import PhaseDouble
from test_validate import BEFORE, GOOD, reading

from runbook_lib.change.journal import START, Event
from runbook_lib.freqtrade.claims import NOT_UNDONE, PLAN, judged, of_safety, safe
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.values import Check, Claim, Verdict

HELD, BROKEN = (Check("n", verdict, "e", "o") for verdict in (Verdict.SUCCESSFUL, Verdict.FAILED))
LAB = PhaseDouble().site
FLEET = LAB.model_copy(update={"lab": None})


def verdicts(site: FreqtradeSite, *, effect: Check = HELD, latency: Check = HELD) -> dict[str, Verdict]:
    after = reading(GOOD)
    held = [HELD]
    found = judged(
        site, BEFORE, after, effect=[effect], weight=held, data=held, latency=[latency], start=held, safety=held
    )
    return {claim.id: claim.verdict for claim in found}


def test_claims_of_phases_that_are_not_built_are_open() -> None:
    found = verdicts(FLEET)
    assert list(found) == list(PLAN)
    assert {name for name, verdict in found.items() if verdict is Verdict.SUCCESSFUL} == {"C1", "C2", "C3", "C6", "C7"}
    assert set(found.values()) == {Verdict.SUCCESSFUL, Verdict.INCONCLUSIVE}


def test_a_claim_fails_with_its_check() -> None:
    assert verdicts(FLEET, effect=BROKEN)["C1"] is Verdict.FAILED


def test_loopback_refutes_the_networks_latency_but_never_proves_it() -> None:
    assert verdicts(LAB)["C6"] is Verdict.INCONCLUSIVE
    assert verdicts(LAB, latency=BROKEN)["C6"] is Verdict.FAILED


INTENT = ("30_producers", "intent", "73", {"key": "file:a", "act": "write a"})
DRY_RUN = ("40_consumers", "gate", None, {"gate": "canary", "verdict": "Successful"})
FIRST = ("40_consumers", "batch", None, {"hosts": ["75"], "number": 1, "of": 1})
CANARY = ("40_consumers", "gate", None, {"gate": "canary", "verdict": "Successful"})
SICK = ("40_consumers", "gate", None, {"gate": "canary", "verdict": "Failed"})
REST = ("40_consumers", "batch", None, {"hosts": ["120", "121"], "number": 1, "of": 1})
STEP = {"key": "unit:b", "act": "restart b"}
FAILED = ("40_consumers", "failed", "120", {**STEP, "why": "no"})
DONE = ("40_consumers", "done", "120", STEP)
PUT_BACK = ("40_consumers", "put back", "120", {"why": "no"})
OTHER_PUT_BACK = ("40_consumers", "put back", "121", {"why": "no"})
UNDO_FAILED = ("40_consumers", "undo failed", "120", {**STEP, "why": "no"})
UNDONE = ("90_rollback", "undone", "120", STEP)
OTHER_UNDONE = ("90_rollback", "undone", "121", STEP)
CAREFUL = [INTENT, FIRST, CANARY, REST]
RESTORED = [Check("as it was before", Verdict.SUCCESSFUL, "e", "yes, to the byte", host) for host in ("73", "75")]
NOT_RESTORED = Check("as it was before", Verdict.FAILED, "e", "bot/config.json is edited", "75")


def c9(*told: tuple[str, str, str | None, dict[str, Any]], checks: list[Check]) -> Claim:
    events = [
        Event(number, 0.0, "me@here", phase, what, host, detail, START)
        for number, (phase, what, host, detail) in enumerate(told, 1)
    ]
    return of_safety([*safe(events), *checks])


def test_low_risk_is_open_as_long_as_nothing_was_undone() -> None:
    claim = c9(*CAREFUL, checks=[NOT_UNDONE])
    assert claim.verdict is Verdict.INCONCLUSIVE
    assert "not undone in this change" in claim.observed


def test_low_risk_is_shown_by_a_careful_change_that_was_undone_to_the_byte() -> None:
    claim = c9(*CAREFUL, checks=RESTORED)
    assert (claim.id, claim.verdict) == ("C9", Verdict.SUCCESSFUL)
    assert claim.observed.endswith("2 hosts undone to the byte")
    assert "75; 120, 121" in claim.observed


def test_a_file_that_did_not_come_back_refutes_it_by_name() -> None:
    claim = c9(*CAREFUL, checks=[*RESTORED, NOT_RESTORED])
    assert claim.verdict is Verdict.FAILED
    assert claim.observed == "75: as it was before: bot/config.json is edited"


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ([INTENT, FIRST, SICK], Verdict.FAILED),
        ([INTENT, FIRST, SICK, CANARY, REST], Verdict.FAILED),  # that it was well in the end does not unsay it
        ([DRY_RUN, INTENT, FIRST, SICK], Verdict.FAILED),
        ([DRY_RUN, INTENT, FIRST], Verdict.INCONCLUSIVE),  # the dry run's gate is no canary's
        ([DRY_RUN, *CAREFUL], Verdict.SUCCESSFUL),
        ([INTENT, REST, CANARY], Verdict.FAILED),  # two at once are no canary
        ([INTENT], Verdict.FAILED),
        ([FIRST, CANARY], Verdict.FAILED),  # nothing was announced
    ],
)
def test_one_consumer_first_and_a_gate_before_the_rest(told: list[Any], verdict: Verdict) -> None:
    assert c9(*told, checks=RESTORED).verdict is verdict


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([FAILED], Verdict.FAILED),
        ([FAILED, DONE], Verdict.SUCCESSFUL),
        ([FAILED, PUT_BACK], Verdict.SUCCESSFUL),
        ([PUT_BACK, FAILED], Verdict.FAILED),
        ([FAILED, OTHER_PUT_BACK], Verdict.FAILED),
        ([FAILED, PUT_BACK, UNDO_FAILED], Verdict.FAILED),
        ([FAILED, PUT_BACK, UNDO_FAILED, OTHER_UNDONE], Verdict.FAILED),
        ([FAILED, PUT_BACK, UNDO_FAILED, UNDONE], Verdict.SUCCESSFUL),
    ],
)
def test_a_step_that_failed_must_not_be_left_so(after: list[Any], verdict: Verdict) -> None:
    claim = c9(*CAREFUL, *after, checks=RESTORED)
    assert claim.verdict is verdict
    assert ("left so: 120: restart b" in claim.observed) is (verdict is Verdict.FAILED)
