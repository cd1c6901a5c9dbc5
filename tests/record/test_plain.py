import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

import numpy as np
import pytest

from runbook_lib.errors import RecordError
from runbook_lib.record.plain import checks, claims, plain
from runbook_lib.values import Check, Claim, Verdict


@dataclass(frozen=True)
class Measured:
    host: str
    age: float
    verdict: Verdict


def test_everything_becomes_json() -> None:
    value = {
        "n": np.int64(5),
        "x": np.float32(0.5),
        "flag": np.bool_(True),
        "array": np.arange(3),
        "record": Measured("75", 1.5, Verdict.FAILED),
        "none": None,
        "when": datetime(2025, 11, 23, tzinfo=UTC),
        "path": PurePosixPath("a/b"),
        "set": {3, 1, 2},
        Verdict.FAILED: (1, 2),
        7: True,
    }
    made = plain(value)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made == {
        "n": 5,
        "x": 0.5,
        "flag": True,
        "array": [0, 1, 2],
        "record": {"host": "75", "age": 1.5, "verdict": "Failed"},
        "none": None,
        "when": "2025-11-23T00:00:00+00:00",
        "path": "a/b",
        "set": [1, 2, 3],
        "Failed": [1, 2],
        "7": True,
    }
    assert type(made["record"]["verdict"]) is str
    assert type(made["n"]) is int


@pytest.mark.parametrize("value", [float("nan"), np.float64("inf"), {"a": [float("-inf")]}])
def test_what_was_not_measured_is_no_number(value: object) -> None:
    with pytest.raises(RecordError, match="no measurement"):
        plain(value)


def test_the_error_names_the_place() -> None:
    with pytest.raises(RecordError, match=r"figures\.age\[1\]"):
        plain({"age": [1, float("nan")]}, "figures")


@pytest.mark.parametrize("value", [object(), b"bytes", int])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(RecordError, match="cannot be kept"):
        plain(value)


def test_strings_are_masked() -> None:
    assert "hunter2" not in plain(["?token=hunter2hunter2"])[0]


def test_checks_and_claims_come_back_as_they_were() -> None:
    made = (Check("n", Verdict.FAILED, "e", "o", "75", "r"), Check("n", Verdict.SUCCESSFUL, "e", "o"))
    assert checks(json.loads(json.dumps(plain(made)))) == made
    claimed = (Claim("C1", "c", "e", "o", "x", Verdict.INCONCLUSIVE),)
    assert claims(plain(claimed)) == claimed
