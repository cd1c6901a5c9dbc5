"""Wherever a run is killed, planning and applying again ends as if it had not been: the same files, the same units.

A unit's state holds what it read when it started, so that a restart that got lost is seen as what it is.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runbook_lib.change.engine import Engine, kept
from runbook_lib.change.journal import Event, Journal, read
from runbook_lib.change.resources import Command, File, Unit, Wanted
from runbook_lib.change.undo import owed

FILES = (
    File("bot/config.json", b'{"new": 1}', 0o600),
    File(".config/systemd/user/bot.service", b"[Service]"),
    File("bot/late/strategy.py", b"class New: ..."),
)
CONFIG, UNIT_FILE, STRATEGY = FILES
NAT = Command("nat", check="is nat", do="do nat", undo="undo nat")
WANTED = Wanted(
    "75", (CONFIG, UNIT_FILE, Unit("bot.service"), NAT, STRATEGY, Unit("late.service")), leaves=("bot/db", "bot/other")
)
AS_WANTED, OLD, OLD_MODE, ABSENT = "as wanted", "old", "old mode", "absent"
RUNS, STOPPED, FAILED = "active", "inactive", "failed"


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk: that it has an event when it has to is tested where events are written."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


class Killed(BaseException):
    """What a SIGKILL is to the code that it hits: nothing that follows is done."""


class DoomedJournal(Journal):
    """One whose writer may die right before and right after an event is on the disk."""

    moment: Callable[[], None]

    def write(self, what: str, host: str | None = None, **detail: Any) -> Event:
        self.moment()
        event = super().write(what, host, **detail)
        self.moment()
        return event


def furnish(host: Any, files: Sequence[str], units: Sequence[tuple[str, bool]], *, nat: bool) -> Any:
    """Lay the host out as it was before the change."""
    for file, how in zip(FILES, files, strict=True):
        content, mode = (b"old" if how == OLD else file.content), (0o604 if how == OLD_MODE else file.mode)
        if how != ABSENT:
            host.put(file.path, content, mode)
    host.loaded = host.unit_files()
    host.done |= {"nat"} if nat else set()
    reads = ((CONFIG.path, UNIT_FILE.path), tuple(file.path for file in FILES))
    for name, before, (active, enabled) in zip(("bot.service", "late.service"), reads, units, strict=True):
        host.unit(name).reads = before
        host.unit(name).enabled = enabled
        if active == RUNS:
            host.start(name)
        host.unit(name).active = active
    host.unit("bot.service").makes = "bot/db"
    return host


def run(host: Any, journal: Path, last_moment: int | None) -> int:
    """Plan and apply; die at a moment if one is given. Return how many there were."""
    moments = itertools.count()
    passed = [0]

    def moment() -> None:
        passed[0] = next(moments)
        if passed[0] == last_moment:
            raise Killed

    writer = DoomedJournal(journal, "30_producers")
    writer.moment = host.moment = moment
    engine = Engine(writer, "user")
    try:
        engine.apply(host, engine.plan(host, WANTED), WANTED)
    except Killed:
        assert last_moment is not None
    finally:
        host.moment = lambda: None
    return passed[0]


def ends_well(before: Any, journal: Path, deaths: Sequence[int]) -> None:
    """Compare a run that dies at these moments, once per run, with one that does not."""
    journal.unlink(missing_ok=True)
    undisturbed = deepcopy(before)
    run(undisturbed, journal, None)
    journal.unlink(missing_ok=True)
    host = deepcopy(before)
    for death in deaths:
        run(host, journal, death)
    run(host, journal, None)
    assert host.as_it_stands() == undisturbed.as_it_stands()
    assert Engine(Journal(journal, "p"), "user").plan(host, WANTED).empty
    assert owed(read(journal), "75") == frozenset()
    for path, (data, mode) in before.files.items():
        if host.files[path] != (data, mode):
            assert host.files[kept(path, hashlib.sha256(data).hexdigest(), mode)] == (data, mode)
    for file in FILES:
        if before.files.get(file.path) != host.files[file.path]:
            assert host.files[kept(file.path, hashlib.sha256(file.content).hexdigest(), file.mode, ours=True)]


NEW_HOST: tuple[Any, ...] = ((ABSENT,) * 3, ((STOPPED, False),) * 2, False)
OLD_HOST: tuple[Any, ...] = ((OLD, AS_WANTED, OLD_MODE), ((RUNS, True),) * 2, True)


@pytest.mark.parametrize(("files", "units", "nat"), [NEW_HOST, OLD_HOST])
def test_killed_once_at_every_moment(
    host: Any, tmp_path: Path, files: Sequence[str], units: Sequence[tuple[str, bool]], nat: bool
) -> None:
    journal = tmp_path / "journal.jsonl"
    furnish(host, files, units, nat=nat)
    moments = run(deepcopy(host), journal, None)
    assert moments > 20
    for death in range(moments + 1):
        ends_well(host, journal, [death])


EACH_UNIT = st.tuples(st.sampled_from([RUNS, STOPPED, FAILED]), st.booleans())


@given(
    files=st.tuples(*[st.sampled_from([AS_WANTED, OLD, OLD_MODE, ABSENT])] * 3),
    units=st.tuples(EACH_UNIT, EACH_UNIT),
    nat=st.booleans(),
    deaths=st.lists(st.integers(0, 45), min_size=1, max_size=4),
)
@example(files=(OLD, OLD, OLD), units=((RUNS, True), (RUNS, True)), nat=False, deaths=[13, 1, 0])
@example(files=(AS_WANTED,) * 3, units=((RUNS, True),) * 2, nat=False, deaths=[4])  # no restart for what comes later
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # every example lays out a host of its own
)
def test_killed_again_and_again_on_any_host(
    host: Any,
    tmp_path: Path,
    files: Sequence[str],
    units: Sequence[tuple[str, bool]],
    *,
    nat: bool,
    deaths: Sequence[int],
) -> None:
    ends_well(furnish(type(host)(), files, units, nat=nat), tmp_path / "journal.jsonl", deaths)


def test_nothing_is_done_that_was_not_announced(host: Any, tmp_path: Path) -> None:
    """What is on the disk at the moment of each act names what is acted on, and what stands there now is not lost."""
    journal = tmp_path / "journal.jsonl"
    furnish(host, *NEW_HOST[:2], nat=False)
    host.put(CONFIG.path, b"old", 0o640)
    announced: list[tuple[str, str]] = []

    def moment() -> None:
        event = list(read(journal))[-1]
        announced.append((event.what, event.detail.get("key", "")))

    host.moment = moment
    engine = Engine(Journal(journal, "30_producers"), "user")
    engine.apply(host, engine.plan(host, WANTED), WANTED)
    covers = {"make private": "", "reset failed": "unit:", "do": NAT.key, "reload": "unit:", "copy": CONFIG.key}
    for (what, *on), (event, key) in zip(host.acts, announced[::2], strict=True):
        assert event == ("host" if what == "make private" else "intent")
        if what in {"enable", "start"}:
            assert key == f"unit:{on[0]}"
        elif what == "write":
            assert key == f"file:{on[0]}" or on[0].startswith(".runbook/kept/")
        else:
            assert key.startswith(covers[what])
