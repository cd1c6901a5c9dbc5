"""Values of the program -> plain JSON values, and back into the records that the report shows."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import PurePath
from typing import Any

from runbook_lib.errors import RecordError
from runbook_lib.redaction import redact
from runbook_lib.values import Check, Claim, Verdict


def plain(value: object, where: str = "value") -> Any:  # noqa: ANN401 - JSON is any shape
    """Return ``value`` as JSON can hold it, strings with their secrets masked.

    Dataclasses become objects, enumerations their values, numpy's numbers and arrays Python's. NaN and infinity are
    refused: JSON has no such numbers, and a figure that is one was not measured.
    """
    if isinstance(value, enum.Enum):
        return plain(value.value, where)
    if value is None or isinstance(value, (bool, int, float)):
        return _number(value, where)
    if isinstance(value, (str, PurePath, date)):
        return redact(value.isoformat() if isinstance(value, date) else str(value))
    if hasattr(value, "tolist") and not isinstance(value, type):  # numpy scalars and arrays
        return plain(value.tolist(), where)
    return _container(value, where)


def _container(value: object, where: str) -> Any:  # noqa: ANN401
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), f"{where}.{field.name}") for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(_key(key)): plain(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(inner, where) for inner in value), key=repr)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [plain(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
    raise RecordError(
        f"{where}: a {type(value).__name__} cannot be kept", remedy="keep numbers, texts, lists, mappings"
    )


def _key(key: object) -> object:
    return key.value if isinstance(key, enum.Enum) else key


def _number(value: float | None, where: str) -> float | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if not math.isfinite(value):
        raise RecordError(
            f"{where}: is {value}, which is no measurement", remedy="leave it out, or say None within a mapping"
        )
    return float(value)


def checks(values: Iterable[Mapping[str, Any]]) -> tuple[Check, ...]:
    """Read checks back from their plain form."""
    return tuple(Check(**{**value, "verdict": Verdict(value["verdict"])}) for value in values)


def claims(values: Iterable[Mapping[str, Any]]) -> tuple[Claim, ...]:
    """Read claims back from their plain form."""
    return tuple(Claim(**{**value, "verdict": Verdict(value["verdict"])}) for value in values)
