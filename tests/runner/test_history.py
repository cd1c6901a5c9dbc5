"""What was done before is told from the journal: when, by whom and with what result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.change.journal import Event, Journal
from runbook_lib.errors import ParamsError
from runbook_lib.runner import history
from runbook_lib.values import Verdict

Tell = Callable[..., None]


@pytest.fixture
def tell(tmp_path: Path) -> Tell:
    """Write an event of a phase, one second after the one before."""
    at = iter(range(1_700_000_000, 1_700_000_100))

    def write(phase: str, what: str, host: str | None = None, **detail: Any) -> None:
        Journal(tmp_path / "j", phase, clock=lambda: float(next(at))).write(what, host, **detail)

    return write


@pytest.fixture
def events(tmp_path: Path) -> Callable[[], list[Event]]:
    return Journal(tmp_path / "j", "x").events


def test_the_last_time_in_earnest_is_told(tell: Tell, events: Callable[[], list[Event]]) -> None:
    tell("20_x", "opened", site="lab", dry_run=False)
    tell("20_x", "gate", gate="first", verdict="Failed")
    tell("20_x", "opened", site="lab", dry_run=False)
    tell("20_x", "done", "a", key="file:x")
    tell("20_x", "done", "b", key="file:x")
    tell("20_x", "gate", gate="all_of_it", verdict="Failed")
    tell("20_x", "gate", gate="all_of_it", verdict="Successful")
    tell("30_y", "done", "c", key="file:x")
    tell("20_x", "opened", site="lab", dry_run=True)
    tell("20_x", "gate", gate="dry", verdict="Successful")
    tell("20_x", "opened", site="lab", dry_run=False)
    found = history.earlier(events(), "20_x")
    assert found is not None
    assert (found.at, found.gates) == (1_700_000_006.0, (("all_of_it", Verdict.SUCCESSFUL),))
    assert (found.steps, found.hosts) == (2, ("a", "b"))
    assert str(found) == (f"2023-11-14 22:13:26 UTC by {found.by}; 2 steps on a, b; gate all of it: Successful")


def test_what_was_only_opened_was_not_done(tell: Tell, events: Callable[[], list[Event]]) -> None:
    assert history.earlier(events(), "20_x") is None
    tell("20_x", "opened", site="lab", dry_run=False)
    assert history.earlier(events(), "20_x") is None
    tell("20_x", "opened", site="lab", dry_run=True)
    tell("20_x", "gate", gate="dry", verdict="Successful")
    assert history.earlier(events(), "20_x") is None


def test_a_change_stays_on_its_site(tell: Tell, events: Callable[[], list[Event]]) -> None:
    history.require_same_site(events(), "lab", "c")
    tell("20_x", "opened", site="lab", dry_run=False)
    history.require_same_site(events(), "lab", "c")
    with pytest.raises(ParamsError, match="change c was begun on site lab, not on production"):
        history.require_same_site(events(), "production", "c")
