"""Each claim ends with the verdict of the checks that speak for it, and none with more than was measured."""

from __future__ import annotations

from phase_double import PhaseDouble
from test_validate import BEFORE, GOOD, reading

from runbook_lib.freqtrade.claims import PLAN, judged
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.values import Check, Verdict

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
