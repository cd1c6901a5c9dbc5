from datetime import UTC, datetime

import numpy as np
import pytest

from runbook_lib.values import Verdict
from runbook_lib.view import cells
from runbook_lib.view.cells import NOTHING


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, NOTHING),
        (True, "yes"),
        (np.int64(8080), "8080"),
        (3_960_000, "3\u202f960\u202f000"),
        (0.1 + 0.2, "0.3"),
        (0.000123456, "0.0001235"),
        (12.3456, "12.35"),
        (1_234_567.8, "1\u202f234\u202f568"),
        (1e-9, "1.000e-09"),
        (0.0, "0"),
        (float("nan"), "nan"),
        (np.float64(2.5), "2.5"),
        (datetime(2025, 11, 23, 18, 5, tzinfo=UTC), "2025-11-23 18:05:00 UTC"),
        (["75", 120], "75, 120"),
        ({"a": 1.0, "b": None}, f"a: 1, b: {NOTHING}"),
        ([], NOTHING),
        (Verdict.FAILED, "✗ Failed"),
        (b"\xff ok", "\\xff ok"),
    ],
)
def test_a_value_is_written_as_a_person_would(value: object, wanted: str) -> None:
    assert cells.text(value) == wanted


def test_exact_floats_keep_the_last_bit() -> None:
    assert cells.text(0.1 + 0.2, exact=True) == "0.30000000000000004"
    assert cells.text([0.1 + 0.2], exact=True) == "0.30000000000000004"


def test_html_is_escaped_and_lines_are_kept() -> None:
    assert cells.cell("<script>\nx") == "&lt;script&gt;<br>x"


def test_secrets_are_masked() -> None:
    assert "hunter22" not in cells.cell('{"password": "hunter22"}')
    assert "hunter22" not in cells.text(b'{"password": "hunter22"}')


@pytest.mark.parametrize("value", [1, 2.5, "440", "\u221275 %", "1 000", np.float32(1)])
def test_numbers_are_known(value: object) -> None:
    assert cells.is_number(value)


@pytest.mark.parametrize("value", [True, Verdict.FAILED, "127.0.3.73:8080", "2026-09-01", "10 s", ""])
def test_words_are_no_numbers(value: object) -> None:
    assert not cells.is_number(value)
