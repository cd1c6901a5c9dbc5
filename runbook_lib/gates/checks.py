"""The kinds of check. Each takes what was observed, or None where nothing was: that is Inconclusive, never passed."""

from __future__ import annotations

from runbook_lib.errors import RunbookError
from runbook_lib.values import Check, Verdict

NOT_OBSERVED = "not observed"


def _verdict(passed: bool | None) -> Verdict:
    if passed is None:
        return Verdict.INCONCLUSIVE
    return Verdict.SUCCESSFUL if passed else Verdict.FAILED


def number(value: float | None, unit: str = "") -> str:
    """Write a number as people read it: whole where it is whole, else three significant digits."""
    if value is None:
        return NOT_OBSERVED
    whole = float(value).is_integer() or abs(value) >= 100  # three digits are whole; 1.23e+03 nobody reads
    text = f"{value:,.0f}" if whole else f"{value:,.3g}"
    return f"{text} {unit}".rstrip()


def equal(  # noqa: PLR0913 - the words of one check
    name: str, observed: float | None, wanted: float, *, unit: str = "", host: str | None = None, remedy: str = ""
) -> Check:
    """Hold a count against the one number that is right."""
    passed = None if observed is None else observed == wanted
    return Check(name, _verdict(passed), number(wanted, unit), number(observed, unit), host, remedy)


def at_most(  # noqa: PLR0913 - the words of one check
    name: str, observed: float | None, limit: float, *, unit: str = "", host: str | None = None, remedy: str = ""
) -> Check:
    """Hold a number against a limit that it must not pass."""
    passed = None if observed is None else observed <= limit
    return Check(name, _verdict(passed), f"≤ {number(limit, unit)}", number(observed, unit), host, remedy)


def at_least(  # noqa: PLR0913 - the words of one check
    name: str,
    observed: float | None,
    limit: float,
    *,
    unit: str = "",
    host: str | None = None,
    remedy: str = "",
    too_little_is_inconclusive: bool = False,
) -> Check:
    """Hold a number against one that it must reach. Of data, less is no failure if so said: too little to judge."""
    passed = None if observed is None else observed >= limit
    if passed is False and too_little_is_inconclusive:
        passed = None
    return Check(name, _verdict(passed), f"≥ {number(limit, unit)}", number(observed, unit), host, remedy)


def fell_by(  # noqa: PLR0913 - the words of one check
    name: str, before: float | None, after: float | None, share: float, *, unit: str = "", remedy: str = ""
) -> Check:
    """Ask for a fall by at least ``share`` (0.75 = 75 %). Nothing before: nothing to judge."""
    wanted = f"−{share:.0%}"
    if before is None or after is None or before <= 0:
        return Check(name, Verdict.INCONCLUSIVE, wanted, f"{number(before)} → {number(after, unit)}", None, remedy)
    change = after / before - 1
    observed = f"{number(before)} → {number(after, unit)} ({change:+.0%})".replace("-", "−")
    fell = round(after / before, 12) <= round(1 - share, 12)  # 10 of 100 is a fall by 0.9, though 1 - 0.9 is not 0.1
    return Check(name, _verdict(fell), wanted, observed, None, remedy)


def holds(  # noqa: PLR0913 - the words of one check
    name: str, passed: bool | None, *, expected: str, observed: str, host: str | None = None, remedy: str = ""
) -> Check:
    """Ask for a statement to be true; None where it could not be looked at."""
    return Check(name, _verdict(passed), expected, observed, host, remedy)


def reported(name: str, error: RunbookError, *, expected: str, host: str | None = None) -> Check:
    """Fail a check that could not be made because the host answered with an error, in the error's own words."""
    return Check(name, Verdict.FAILED, expected, error.what, error.host or host, error.remedy)
