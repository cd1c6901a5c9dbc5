"""Has a host's own freqtrade judge configs: those that stand there, and those that are to stand there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from runbook_lib.freqtrade.configs.parse import read_config
from runbook_lib.freqtrade.configs.schema import HOST_SCRIPT, HostCheck, harmful, read_host_check, unknown_keys

DEADLINE_SECONDS = 120.0  # freqtrade's imports alone take ten on a busy host


class PythonHost(Protocol):
    """The part of a fleet's session that is needed here."""

    @property
    def name(self) -> str:
        """Name in the inventory."""

    def python(self, script: str, arguments: object, *, interpreter: str, deadline: float) -> object:
        """Run a script on the host, return its JSON."""


def check_on_host(session: PythonHost, python: str, configs: Mapping[str, str | None]) -> HostCheck:
    """Ask freqtrade on the host. ``configs``: path -> text that is to stand there, None for what stands there now.

    Raises HostError if that freqtrade cannot be used.
    """
    answer = session.python(HOST_SCRIPT, dict(configs), interpreter=python, deadline=DEADLINE_SECONDS)
    return read_host_check(json.dumps(answer), host=session.name)


def problems(path: str, text: str, check: HostCheck) -> list[str]:
    """List all that is wrong with a config, one line each: refused, ignored or harmful settings.

    Raises ParamsError if the text is no config at all.
    """
    data = read_config(text).data
    unknown = [str(key) for key in unknown_keys(data, check.known_keys)]
    return [*check.configs[path].errors, *unknown, *harmful(data)]
