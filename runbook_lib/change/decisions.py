"""What somebody decided on files that were edited since, and on which content of them: told by the journal. Pure.

A decision is about what was shown to whoever made it. An edit that is made later is another one, and waits for a
decision of its own, whether the first was to be overwritten or to be kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from runbook_lib.change.journal import Event
from runbook_lib.change.origin import Standing

Decision = Literal["overwrite", "keep"]
"""What shall become of a file that somebody edited since: put the original back all the same, or leave the edit."""
UNSEEN: Final[Standing] = ("", -1)
"""What stands nowhere: nobody has looked yet at what the decision is about."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What somebody decided on a file. ``on``: what stood there when it was shown; UNSEEN: nobody has looked yet."""

    decision: Decision
    on: Standing = UNSEEN

    def counts(self, now: Standing) -> bool:
        """Whether it is about what stands there now; if nobody has looked yet, this is the first look."""
        return self.on in (now, UNSEEN)


def decided(events: Iterable[Event], host: str, *, spent: bool = False) -> dict[str, Decided]:
    """Return what was decided last on each edited file of a host. ``spent``: also what was carried out already.

    An answer in JupyterLab is about what the plan above it shows. A flag is about what a plan found there last before
    it was typed (event ``edited``); if none ever did, about what the plan of its own run finds first. From then on it
    stays with that content, through hold points and later runs. A run that ends without a look at the file leaves
    nothing decided.
    """
    return _told(events, host, spent=spent)[1]


def found(events: Iterable[Event], host: str) -> dict[str, Standing]:
    """Return which files of a host were last found edited, and how, and have not been put back since."""
    return _told(events, host, spent=False)[0]


def _told(events: Iterable[Event], host: str, *, spent: bool) -> tuple[dict[str, Standing], dict[str, Decided]]:
    edits: dict[str, Standing] = {}
    decisions: dict[str, Decided] = {}
    for event in events:
        if event.what in {"run", "ended"}:
            decisions = {path: each for path, each in decisions.items() if each.on != UNSEEN}
        if event.host != host:
            continue
        match event.what:
            case "edited":
                path, now = event.detail["path"], _standing(event.detail["now"])
                edits[path] = now
                if path in decisions and decisions[path].on == UNSEEN:
                    decisions[path] = replace(decisions[path], on=now)
            case "decided":
                path, told = event.detail["path"], event.detail
                on = _standing(told["on"]) if "on" in told else edits.get(path, UNSEEN)
                decisions[path] = Decided(told["decision"], on)
            case "undone":
                path = event.detail["key"].removeprefix("file:")
                edits.pop(path, None)
                if not spent:
                    decisions.pop(path, None)
    return edits, decisions


def _standing(told: Any) -> Standing:  # noqa: ANN401 - JSON
    return None if told is None else (told[0], told[1])
