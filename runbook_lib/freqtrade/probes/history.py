"""What training history a host needs or holds, asked of its own freqtrade."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from typing import Any

from runbook_lib.freqtrade.history import Folder, Kept, Need, Series
from runbook_lib.freqtrade.probes.script import PythonHost, text

DEADLINE_SECONDS = 300.0  # hundreds of files, read whole


class Historian:
    """Asks one host. ``directory``: freqtrade's own; ``python``: the one that it runs in."""

    def __init__(self, session: PythonHost, directory: str, python: str) -> None:
        self._session = session
        self._directory = directory
        self._python = python

    def needs(self, config: str) -> Need | None:
        """Say what FreqAI loads at a start with this config (below freqtrade's directory); None where it is off."""
        found = self._ask("needs", config=config)
        if found is None:
            return None
        folder = Folder(found["data"], found["format"])
        pairs = tuple(dict.fromkeys([*found["whitelist"], *found["correlated"]]))
        return Need(pairs, tuple(found["timeframes"]), int(found["seconds"]), folder)

    def held(self, folder: Folder, series: Sequence[Series]) -> dict[Series, Kept]:
        """Say what lies in a folder of these series."""
        found = self._ask("held", data=folder.path, format=folder.format, series=list(series))
        return {each: Kept(*kept) for each, kept in zip(series, found, strict=True)}

    def join(self, path: str, newer: bytes) -> bytes:
        """Return a feather file of the host's, up to where ``newer`` begins, and ``newer``."""
        return base64.b64decode(self._ask("join", path=path, newer=base64.b64encode(newer).decode()))

    def _ask(self, what: str, **asked: object) -> Any:  # noqa: ANN401 - JSON
        arguments = {"what": what, "directory": self._directory, **asked}
        return self._session.python(text("history"), arguments, interpreter=self._python, deadline=DEADLINE_SECONDS)


def whole(directory: str, python: str, asked: dict[str, object]) -> str:
    """Write the shell command that succeeds where a folder holds all that is asked for."""
    arguments = {"what": "whole", "directory": directory, **asked}
    script = f"{text('history')}\nsys.exit(not main({arguments!r}))"
    return f"{shlex.quote(python)} -I - <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT"
