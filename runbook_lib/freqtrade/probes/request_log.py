"""A bot's own log of its calls to the exchange, counted on its host."""

from __future__ import annotations

from typing import Any

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade.meters import Calls, RequestCounts
from runbook_lib.freqtrade.probes.script import PythonHost, ask


def request_counts(session: PythonHost, path: str, *, since: float, until: float) -> RequestCounts:
    """Count the calls answered from ``since`` until before ``until`` (unix seconds of the host's clock).

    ``path``: the log that `request_log_config` has switched on, as the login sees it.
    """
    answer = ask(session, "request_log", {"path": path, "since": since, "until": until}, deadline=120)
    if not answer["found"]:
        raise CommandFailed(
            f"no request log at {path}",
            remedy="put log_config into the bot's config and restart it, or name the right path",
            host=session.name,
        )
    return parse_counts(session.name, answer, since=since, until=until)


def parse_counts(host: str, answer: dict[str, Any], *, since: float, until: float) -> RequestCounts:
    """Answer of the script -> counts."""
    return RequestCounts(
        host=host,
        since=since,
        until=until,
        oldest=answer["oldest"],
        unreadable=answer["unreadable"],
        asked=dict(answer["asked"]),
        answers=tuple(Calls(*row) for row in answer["answers"]),
    )
