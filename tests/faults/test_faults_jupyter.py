"""JupyterLab is closed in the middle of a cell that changes hosts: run again in a new kernel, the notebook finishes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from by_hand import ByHand, CellFailed, by_hand
from faulty_lab import stand_still_at
from town import NEW, RUNBOOK, HostState, Town

from runbook_lib.change.journal import Event, read

pytestmark = pytest.mark.hosts

DIARY = "crier/parrot/diary"
How = Callable[[ByHand], Awaitable[object] | None]
CLOSED: dict[str, How] = {
    "killed": lambda kernel: os.kill(kernel.pid, signal.SIGKILL),
    "shut down": lambda kernel: kernel.manager.shutdown_kernel(),
}


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    standing = Town(tmp_path / "town", ("127.0.9.103", "127.0.9.104"))
    yield standing
    standing.close()


def notebook(town: Town, change: str) -> AbstractAsyncContextManager[ByHand]:
    return by_hand(RUNBOOK / "20_greet.ipynb", site=str(town.site), change_id=change, dry_run=False)


def events(town: Town, change: str) -> list[Event]:
    path = town.directory / "outputs" / change / "journal.jsonl"
    return list(read(path)) if path.exists() else []


def steps(town: Town, change: str) -> int:
    return sum(event.what in {"intent", "done"} for event in events(town, change))


def outcome(town: Town) -> dict[str, HostState]:
    """Look at all hosts, but for times, and for a diary that tells how often its service was started."""
    states = {name: state.without_times() for name, state in town.state().items()}
    return {
        name: replace(state, entries={path: each for path, each in state.entries.items() if path != DIARY})
        for name, state in states.items()
    }


async def test_undisturbed_or_not_it_ends_the_same(town: Town) -> None:
    """Closed in the first batch as JupyterLab does it, which gives the cell 5 s to end; in the second by a kill."""
    async with notebook(town, "undisturbed") as kernel:
        await kernel.run_all()
    undisturbed, all_steps = outcome(town), steps(town, "undisturbed")
    for how, at in (("shut down", 3), ("killed", all_steps - 2)):
        town.reset()
        change = f"closed-{at}"
        async with notebook(town, change) as kernel:
            closing = _once(lambda: steps(town, change) >= at, CLOSED[how], kernel)  # noqa: B023
            with pytest.raises(CellFailed, match="the kernel is dead"):
                await kernel.run_all(closing)
        assert at <= steps(town, change) < all_steps
        async with notebook(town, change) as kernel:
            await kernel.run_all()
        assert outcome(town) == undisturbed
        numbers = [event.number for event in events(town, change)]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_an_interrupt_ends_it_after_the_step_in_hand(town: Town) -> None:
    change = "interrupted"
    async with notebook(town, change) as kernel:
        interrupt = _once(lambda: steps(town, change) >= 3, lambda kernel: kernel.manager.interrupt_kernel(), kernel)
        with pytest.raises(CellFailed) as caught:
            await kernel.run_all(interrupt)
        assert str(caught.value) == (
            "Stopped: interrupt: stopped after the step in hand -> what was done is in the journal;"
            " run this notebook again when you are ready"
        )
        said = [event.what for event in events(town, change)]
        assert "stop" in said
        assert said.count("intent") == said.count("done")
        await asyncio.sleep(1)
        assert [event.what for event in events(town, change)] == said, "nothing goes on unseen"
        await kernel.run_all()
        assert [event.what for event in events(town, change)].count("done") > said.count("done"), "some were left"
    assert {word for state in town.state().values() for word in state.said.values()} == {NEW, ""}


async def test_a_second_interrupt_cuts_it_off(town: Town) -> None:
    """For a step that does not end: here a host that never gets to put a file in its place."""
    change = "cut-off"
    reached, _ = stand_still_at(town.hosts["first"].bin, "mv")
    async with notebook(town, change) as kernel:
        interrupt = _once(reached.exists, lambda kernel: kernel.manager.interrupt_kernel(), kernel)
        again = _once(
            lambda: any(event.what == "stop" for event in events(town, change)),
            lambda kernel: kernel.manager.interrupt_kernel(),
            kernel,
        )
        with pytest.raises(CellFailed, match="KeyboardInterrupt"):
            await kernel.run_all(lambda: interrupt() or again())
        (reached.parent / "mv").unlink()
        await kernel.run_all()
    assert {word for state in town.state().values() for word in state.said.values()} == {NEW, ""}


def _once(condition: Callable[[], bool], how: How, kernel: ByHand) -> Callable[[], Awaitable[object] | None]:
    """Return what closes a kernel the first time that a condition holds."""
    happened: list[bool] = []

    def look() -> Awaitable[object] | None:
        if happened or not condition():
            return None
        happened.append(True)
        return how(kernel)

    return look
