"""How a change stands is read from its journal and from who is at work; what to do next can be typed as it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.change.journal import Event, Journal
from runbook_lib.change.locks import Holder
from runbook_lib.runner.standing import LIVE, Standing, State, fates, standing

UNIT = {"kind": "unit", "key": "unit:u", "unit": "u", "act": "restart u"}
FILE = {"kind": "file", "key": "file:x", "path": "x", "act": "create x"}
NAMED = ["--site", "params/of us.yaml"]


@pytest.fixture
def journal(tmp_path: Path) -> Callable[..., Journal]:
    return lambda phase="20_x": Journal(tmp_path / "j", phase)


def began(journal: Journal, **told: Any) -> None:
    detail = {"run": "t", "pid": 7, "notebooks": ["20_x"], "resume": False, "command": "c", "named": NAMED}
    journal.write("run", **{**detail, **told})


def of(events: list[Event], holder: Holder | None = None) -> Standing:
    return standing("c", events, holder, "90_back")


def at_work(run: str = "t", phase: str = "20_x") -> Holder:
    return Holder("c", "me", 7, "here", run, 100.0, "runbook run", phase)


def test_nothing_at_all_is_not_begun(journal: Callable[..., Journal]) -> None:
    now = of([])
    assert (now.state, now.since, now.then) == (State.NEW, None, "`runbook run --change c` carries it out")
    journal().write("planned", plan="20_x", digest="d", named=NAMED)
    now = of(journal().events())
    assert now.state is State.PLANNED
    assert now.then == "`runbook run --change c --site 'params/of us.yaml'` carries it out"


def test_whoever_only_locks_plans_or_draws_up_listens_to_nobody(journal: Callable[..., Journal]) -> None:
    assert of([], at_work()).state is State.BUSY
    began(journal(), run="an older one")
    assert of(journal().events(), at_work()).state is State.BUSY
    began(journal())
    assert of(journal().events(), at_work()).state is State.RUNNING
    journal().write("ended", run="t", verdict="Successful", why="well", error=None)
    assert of(journal().events(), at_work()).state is State.BUSY
    assert State.BUSY not in LIVE


def test_a_person_at_a_notebook_is_at_work_too(journal: Callable[..., Journal]) -> None:
    journal("30_y").write("opened", site="lab", dry_run=False)
    now = of(journal().events(), at_work(run="", phase=""))
    assert (now.state, now.said) == (State.RUNNING, "30_y, by me (process 7 on here)")


def test_the_last_word_counts(journal: Callable[..., Journal]) -> None:
    began(journal())
    states = []
    for word, detail in (("pause", {"why": "w"}), ("go", {}), ("pause", {}), ("abort", {"reason": "r"})):
        journal().write(word, **detail)
        states.append(of(journal().events(), at_work()).state)
    assert states == [State.PAUSED, State.RUNNING, State.PAUSED, State.ENDING]


def test_words_to_an_earlier_run_are_no_words_to_this_one(journal: Callable[..., Journal]) -> None:
    began(journal(), run="older")
    journal().write("pause", why="w")
    began(journal())
    assert of(journal().events(), at_work()).state is State.RUNNING


def test_a_notebook_by_hand_hears_what_is_said_since_it_was_opened(journal: Callable[..., Journal]) -> None:
    began(journal())
    journal().write("pause", why="w")
    journal("30_y").write("opened", site="lab", dry_run=False)
    assert of(journal().events(), at_work(run="", phase="")).state is State.RUNNING
    journal().write("pause", why="w")
    assert of(journal().events(), at_work(run="", phase="")).state is State.PAUSED


def test_a_run_without_an_end_was_cut_off(journal: Callable[..., Journal]) -> None:
    began(journal())
    journal().write("opened", site="lab", dry_run=False)
    journal().write("intent", "a", **FILE)
    now = of(journal().events())
    assert now.state is State.CUT_OFF
    assert now.said.startswith("in 20_x: process 7 of ")
    assert now.then == (
        "`runbook run --change c --site 'params/of us.yaml' --resume` goes on;"
        " `runbook rollback --change c --site 'params/of us.yaml'` undoes it"
    )


def test_a_rollback_goes_on_as_a_rollback(journal: Callable[..., Journal]) -> None:
    journal().write("intent", "a", **FILE)
    began(journal(), notebooks=["90_back"])
    journal("90_back").write("opened", site="lab", dry_run=False)
    journal("90_back").write("hold", hold="before_back", question="?")
    journal().write("ended", run="t", verdict="Inconclusive", why="waits -> x", error="Held")
    now = of(journal().events())
    assert (now.state, now.said) == (State.HELD, "waits")
    assert now.then == (
        "`runbook rollback --change c --site 'params/of us.yaml' --approve before_back` goes on;"
        " `runbook abort --change c --site 'params/of us.yaml' --reason WHY` says no"
    )


def test_of_two_hold_points_the_one_that_is_open_is_named(journal: Callable[..., Journal]) -> None:
    began(journal(), named=[])
    for name in ("before_failover", "before_rest"):
        journal().write("hold", hold=name, question="?")
    journal().write("approved", hold="before_rest", how="--approve")
    journal().write("ended", run="t", verdict="Inconclusive", why="waits -> x", error="Held")
    assert of(journal().events()).then.startswith("`runbook run --change c --resume --approve before_failover` goes on")


def test_a_hold_point_that_is_not_known_is_not_named(journal: Callable[..., Journal]) -> None:
    began(journal(), named=[])
    journal().write("ended", run="t", verdict="Inconclusive", why="waits -> x", error="Held")
    assert of(journal().events()).then.startswith("`runbook run --change c --resume` goes on; ")


def test_a_rollback_that_was_not_well_after_it_says_so(journal: Callable[..., Journal]) -> None:
    journal().write("intent", "a", **FILE)
    began(journal(), notebooks=["90_back"])
    journal("90_back").write("rolled back")
    journal().write("ended", run="t", verdict="Failed", why="not as before", error="GateFailed")
    now = of(journal().events())
    assert now.state is State.ROLLED_BACK
    assert "then Failed: not as before" in now.said
    assert now.then == "`runbook rollback --change c --site 'params/of us.yaml'` looks again"


def test_a_dry_run_is_not_resumed(journal: Callable[..., Journal]) -> None:
    began(journal(), dry_run=True, named=[])
    journal().write("opened", site="lab", dry_run=True)
    journal().write("ended", run="t", verdict="Inconclusive", why="dry run", error=None)
    assert of(journal().events()).then == "`runbook run --change c` carries it out"


def test_notebooks_opened_after_a_run_are_by_hand(journal: Callable[..., Journal]) -> None:
    began(journal())
    journal().write("ended", run="t", verdict="Failed", why="w", error="GateFailed")
    journal("30_y").write("opened", site="lab", dry_run=False)
    now = of(journal().events())
    assert now.state is State.BY_HAND
    assert now.said.startswith("30_y was opened last, by ")


def fate(journal: Journal) -> str:
    return fates(journal.events())["a"].partition(" at 2")[0]


def test_a_hosts_fate_is_that_of_its_last_step(journal: Callable[..., Journal]) -> None:
    write = journal().write
    write("gate", gate="g", verdict="Failed")
    assert fates(journal().events()) == {}
    write("host", "a", leaves=[], units=["u"])
    write("intent", "a", **FILE)
    assert fate(journal()) == "cut off, or at it now: create x"
    write("done", "a", **FILE)
    assert fate(journal()) == "half done: create x"
    write("intent", "a", **UNIT)
    write("failed", "a", **UNIT, why="it fell over")
    assert fate(journal()) == "failed: restart u: it fell over"
    write("put back", "a", why="it fell over")
    write("undo", "a", **FILE)
    write("undone", "a", **FILE)
    assert fate(journal()) == "put back"
    write("host", "a", leaves=[], units=["u"])
    write("intent", "a", **UNIT)
    write("done", "a", **UNIT)
    assert fate(journal()) == "done"
    write("undo", "a", **FILE)
    write("undone", "a", **FILE)
    assert fate(journal()) == "undone"
