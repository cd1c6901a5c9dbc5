"""The way of a probe: a script of `scripts/` runs on the host and answers with one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from runbook_lib.errors import CommandFailed


class PythonHost(Protocol):
    """The part of a session that probes need."""

    @property
    def name(self) -> str:
        """Name of the host in the inventory."""

    def python(
        self, script: str, arguments: object = ..., *, interpreter: str = ..., deadline: float | None = ...
    ) -> Any:  # noqa: ANN401 - JSON
        """Call the script's ``main(arguments)`` on the host and return what it returns."""


@cache
def text(name: str) -> str:
    """Return the script called ``name``."""
    return files("runbook_lib.freqtrade.probes.scripts").joinpath(f"{name}.py").read_text(encoding="utf-8")


def ask(session: PythonHost, name: str, arguments: Mapping[str, Any], *, deadline: float) -> dict[str, Any]:
    """Run the script called ``name`` on the session's host; ``deadline``: seconds."""
    answer = session.python(text(name), arguments, deadline=deadline)
    if not isinstance(answer, dict):
        raise CommandFailed(f"{name}: the answer is no object", remedy="see what python3 is there", host=session.name)
    return answer
