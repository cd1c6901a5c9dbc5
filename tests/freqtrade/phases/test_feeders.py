"""Whether a feeder logs its own calls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.configs.producer import REQUEST_LOG
from runbook_lib.freqtrade.phases import feeders
from runbook_lib.freqtrade.request_log import request_log_config
from runbook_lib.values import Verdict

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
WRITTEN = request_log_config(REQUEST_LOG)


def test_the_readme_shows_what_the_runbook_writes() -> None:
    shown = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    assert json.loads(f"{{{shown[1]}}}") == {"log_config": WRITTEN}


def test_what_the_runbook_writes_is_recognised() -> None:
    assert feeders.request_log("75", {"log_config": WRITTEN}).verdict is Verdict.SUCCESSFUL


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"loggers": {}},
        {"loggers": {"ccxt.base.exchange": {"level": "INFO", "handlers": ["requests"]}}},
        {"loggers": {"ccxt.base.exchange": {"level": "DEBUG", "handlers": ["console"]}}},
        {"handlers": {"requests": {"filename": "elsewhere.log"}}},
    ],
)
def test_a_log_that_keeps_no_calls_is_found(changed: dict[str, Any]) -> None:
    config = {"log_config": {**WRITTEN, **changed}} if changed else {}
    assert feeders.request_log("75", config).verdict is Verdict.FAILED
