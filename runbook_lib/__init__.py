"""What a notebook may import, and nothing else.

Each name is loaded when it is first asked for: a command that draws nothing waits for no chart.
"""

from __future__ import annotations

from importlib import import_module
from sys import modules as _loaded
from typing import Any

# jsonschema, which comes with every notebook that is read, would build a grammar of IRIs: two seconds in every command
# and again in every kernel, for a format that nothing here checks. Said to be missing, it does without.
_loaded.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # Python's own way to say so; typeshed knows none

__all__ = ["baseline", "consumers", "failover_drill", "open_phase", "preflight", "producers", "rollback", "validate"]

_PHASES = "runbook_lib.freqtrade.phases"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - modules and one function
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "open_phase":
        return import_module(_PHASES).open_phase
    return import_module(f"{_PHASES}.{name}")


def __dir__() -> list[str]:
    return __all__
