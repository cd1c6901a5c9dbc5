"""The feed's files in ``user_data``: written whole, and looked at before they are first written."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

LIVING_SECONDS = 10.0  # a feed that lives writes whenever it has asked a producer how it stands: every five seconds
STALE_SECONDS = 5.0  # half of a file that is so old is one that nobody is writing any more


def replace(path: Path, text: str) -> None:
    """Put ``text`` in the place of a file; a reader never sees half of it. Raises OSError.

    Half of it lies beside it meanwhile, under one name, so that a rollback knows it where a bot died at it. Whoever
    finds another bot at work on it raises FileExistsError.
    """
    beside = path.with_name(path.name + ".tmp")
    with suppress(FileNotFoundError):
        written = beside.stat().st_mtime
        if not 0 <= time.time() - written < STALE_SECONDS:  # looked at in this order: it may have been written just now
            beside.unlink()
    with beside.open("x", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def other_writer(path: Path, name: str, now: float) -> str | None:
    """Return the name of another bot that wrote this state a moment ago, None if no other did.

    ``name``: that of the bot that is about to; ``now``: seconds since 1970.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        wrote, at = str(told["name"]), float(told["written"])
    except (OSError, ValueError, KeyError, TypeError):  # there is none, or one that the first writing mends
        return None
    return wrote if wrote != name and 0 <= now - at < LIVING_SECONDS else None
