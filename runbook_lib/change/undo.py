"""Journal events -> what each host was like before, and what it takes to get back there. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from runbook_lib.change.journal import Event


def owed(events: Iterable[Event], host: str) -> frozenset[str]:
    """Return the units of a host that must be restarted because what they read was changed and they were not.

    That is how it stands after a crash between a write and its restart, in either direction. A unit owes a restart
    from the first change that was announced in an apply that planned it (event ``host``), or in an undo that will
    restart it (``restarts``), until its own act is done. Units are listed in the order in which they have their turns:
    what is changed after a unit's turn is nothing that it reads.
    """
    planned: list[str] = []
    owing: set[str] = set()
    for event in events:
        if event.host != host:
            continue
        kind, name = event.detail.get("kind"), event.detail.get("unit", "")
        if event.what == "host":
            planned = list(event.detail.get("units", ()))
        elif event.what == "intent" and kind == "unit":
            earlier = planned[: planned.index(name)] if name in planned else []
            owing.difference_update(earlier)  # they had no turn, so nothing that they read was changed
            planned = planned[len(earlier) :]
        elif event.what == "intent":
            owing.update(planned)
        elif event.what == "undo" and kind != "unit":
            owing.update(event.detail.get("restarts", ()))
        elif event.what in {"done", "undone"} and kind == "unit":
            name = event.detail["key"].removeprefix("unit:")
            owing.discard(name)
            planned = [unit for unit in planned if unit != name]
    return frozenset(owing)
