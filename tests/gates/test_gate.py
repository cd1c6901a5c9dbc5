"""One verdict of many checks, and the one line that stops a run."""

import pytest

from runbook_lib.errors import GateError, GateFailed, GateInconclusive
from runbook_lib.gates import judge, require
from runbook_lib.values import Check, Verdict

GOOD = Check("clock", Verdict.SUCCESSFUL, "≤ 1 s", "0 s", "73", "set the clock")
BAD = Check("disk", Verdict.FAILED, "≥ 500 MB", "12 MB", "75", "free some")
OPEN = Check("latency", Verdict.INCONCLUSIVE, "≤ 1 ms", "not observed", "120", "measure again")
FLEET = Check("requests", Verdict.FAILED, "−75%", "−50%")


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([GOOD], Verdict.SUCCESSFUL),
        ([GOOD, OPEN], Verdict.INCONCLUSIVE),
        ([OPEN, GOOD, BAD], Verdict.FAILED),
        ([BAD, OPEN], Verdict.FAILED),
    ],
)
def test_the_worst_check_decides(checks: list[Check], verdict: Verdict) -> None:
    assert judge(checks) is verdict


def stopped(*checks: Check) -> GateError:
    with pytest.raises(GateError) as caught:
        require(checks, "preflight")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_gate_whose_checks_all_succeeded_lets_pass() -> None:
    require([GOOD, GOOD], "preflight")


def test_failed_checks_are_named_before_open_ones() -> None:
    error = stopped(GOOD, OPEN, BAD, FLEET)
    assert type(error) is GateFailed
    assert error.exit_code == 6
    assert error.what == (
        "gate preflight: 75: disk: expected ≥ 500 MB, observed 12 MB; requests: expected −75%, observed −50%; "
        "120: latency: expected ≤ 1 ms, observed not observed"
    )
    assert error.remedy == "free some"


def test_too_little_data_stops_with_an_error_of_its_own() -> None:
    error = stopped(GOOD, OPEN)
    assert type(error) is GateInconclusive
    assert error.exit_code == 7
    assert error.what == "gate preflight: 120: latency: expected ≤ 1 ms, observed not observed"
    assert error.remedy == "measure again"


def test_a_gate_that_checked_nothing_does_not_let_pass() -> None:
    error = stopped()
    assert type(error) is GateInconclusive
    assert error.what == "gate preflight: nothing was checked"
    assert error.remedy


def test_a_remedy_is_taken_from_the_first_check_that_has_one() -> None:
    assert stopped(FLEET, BAD).remedy == "free some"
    assert stopped(FLEET).remedy


def test_a_long_list_is_cut_and_counted() -> None:
    error = stopped(*[Check(f"c{n}", Verdict.FAILED, "e", "o") for n in range(7)], GOOD)
    assert error.what.count("expected") == 5
    assert error.what.endswith("c4: expected e, observed o; and 2 more")
    assert "more" not in stopped(*[BAD] * 5).what
