"""Many checks -> one verdict, and the stop when it does not let pass."""

from __future__ import annotations

from collections.abc import Sequence

from runbook_lib.errors import GateFailed, GateInconclusive
from runbook_lib.values import Check, Verdict

SHOWN = 5


def judge(checks: Sequence[Check]) -> Verdict:
    """Return the worst verdict of all checks; no checks at all is Inconclusive."""
    return Verdict.worst([check.verdict for check in checks])


def require(checks: Sequence[Check], gate: str) -> None:
    """Let pass only if every check succeeded.

    Raises GateFailed or GateInconclusive; the one line names the checks that stand in the way, worst first.
    """
    verdict = judge(checks)
    if verdict is Verdict.SUCCESSFUL:
        return
    blocking = sorted(
        (check for check in checks if check.verdict is not Verdict.SUCCESSFUL),
        key=lambda check: check.verdict is not Verdict.FAILED,
    )
    lines = [_line(check) for check in blocking[:SHOWN]]
    if len(blocking) > SHOWN:
        lines.append(f"and {len(blocking) - SHOWN} more")
    what = f"gate {gate}: {'; '.join(lines) or 'nothing was checked'}"
    remedy = next(
        (check.remedy for check in blocking if check.remedy), "see the checks above; nothing further was done"
    )
    if verdict is Verdict.FAILED:
        raise GateFailed(what, remedy=remedy)
    raise GateInconclusive(what, remedy=remedy)


def _line(check: Check) -> str:
    where = f"{check.host}: " if check.host else ""
    return f"{where}{check.name}: expected {check.expected}, observed {check.observed}"
