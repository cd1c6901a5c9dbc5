"""Whether each host's own freqtrade accepts the config that is to stand there, asked before it is put in place."""

from __future__ import annotations

from collections.abc import Mapping

from runbook_lib.change.resources import Wanted
from runbook_lib.errors import RunbookError
from runbook_lib.freqtrade.bots import Bot
from runbook_lib.freqtrade.configs.on_host import check_on_host, problems
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.gates import holds, reported
from runbook_lib.runner.changing import Planned
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check, FleetResult
from runbook_lib.view.progress import Waiting


def judge(phase: Phase[FreqtradeSite], planned: Planned, bots: Mapping[str, Bot]) -> list[Check]:
    """Have each host's own freqtrade judge the config that is to stand there."""
    python = phase.site.freqtrade.python
    paths = {host: bots[host].config for host in planned.wanted}
    texts = {host: _config(planned.wanted[host], path) for host, path in paths.items()}
    with Waiting(f"freqtrade on {len(texts)} hosts to judge the new configs", phase.report):
        answers: FleetResult[list[str]] = phase.fleet.on_all(
            lambda session: problems(
                paths[session.name],
                texts[session.name],
                check_on_host(session, python, {paths[session.name]: texts[session.name]}),
            ),
            texts,
        )
    return [_judged(host, answers[host].value, answers[host].error, path) for host, path in paths.items()]


def _judged(host: str, found: list[str] | None, error: RunbookError | None, path: str) -> Check:
    expected = "valid, no unknown key, no placeholder secret"
    if error is not None:
        return reported("new config", error, expected=expected, host=host)
    return holds(
        "new config",
        passed=not found,
        expected=expected,
        observed="; ".join(found or []) or "accepted by its own freqtrade",
        host=host,
        remedy=f"nothing was put in place; see {path} in the plan",
    )


def _config(wanted: Wanted, path: str) -> str:
    return next(file.content.decode() for file in wanted.files if file.path == path)
