"""Whether a feeder, as it stands, can be measured and become a consumer; judged before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbook_lib.fleet import UnitState
from runbook_lib.freqtrade.configs.producer import REQUEST_LOG
from runbook_lib.freqtrade.request_log import CCXT_LOGGER
from runbook_lib.gates import holds
from runbook_lib.values import Check


def service(host: str, unit: UnitState) -> Check:
    """Check that the feeder's unit is the one that runs it: its config is edited before the unit is restarted."""
    return holds(
        "service",
        passed=unit.load == "loaded" and unit.active in {"active", "activating"} and not unit.hindrance,
        expected=f"{unit.name} loaded and active",
        observed=f"{unit.load}, {unit.active}" + (f"; it {unit.hindrance}" if unit.hindrance else ""),
        host=host,
        remedy=f"name the unit that runs this feeder under consumers.{host}.unit",
    )


def request_log(host: str, config: Mapping[str, Any]) -> Check:
    """Check that the feeder logs its own calls to the exchange: the baseline counts them there."""
    logs = _logs(config.get("log_config"))
    return holds(
        "request log",
        passed=logs,
        expected=f"calls to the exchange logged to {REQUEST_LOG}",
        observed="yes" if logs else "no such log",
        host=host,
        remedy="put the log_config of the README into its config, and restart it; then the baseline can be measured",
    )


def _logs(log_config: object) -> bool:
    if not isinstance(log_config, Mapping):
        return False
    logger = (log_config.get("loggers") or {}).get(CCXT_LOGGER) or {}
    handlers = log_config.get("handlers") or {}
    files = [str((handlers.get(name) or {}).get("filename", "")) for name in logger.get("handlers") or ()]
    return logger.get("level") == "DEBUG" and any(file.endswith(REQUEST_LOG) for file in files)
