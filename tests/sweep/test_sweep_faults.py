"""What strikes the sweep's processes down: no event's turn is passed by, though hosts of a batch write side by side."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from runbook_lib.change.journal import Journal

EVENTS = 60


@pytest.fixture
def faults() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sweep_faults", Path(__file__).parent / "faults" / "sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("moment", ["before", "after", "after phase:"])
def test_every_event_has_its_turn_when_hosts_write_side_by_side(
    faults: ModuleType, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(Journal):
        write = Journal.write  # a method of its own, for what wraps it leaves the product's as it is

    when, _, phase = moment.partition(" ")
    struck: list[str] = []
    monkeypatch.setenv(faults.FAULT, ";".join(f"runner {when} {phase}{number}" for number in range(1, EVENTS + 1)))
    monkeypatch.setattr(faults, "strike", lambda kind, _: struck.append(kind))
    faults.wrap(Watched)

    journal = Watched(tmp_path / "journal.jsonl", "phase")
    with ThreadPoolExecutor(4) as hosts:
        list(hosts.map(lambda host: journal.write("intent", str(host)), range(EVENTS)))
    assert len(struck) == EVENTS
