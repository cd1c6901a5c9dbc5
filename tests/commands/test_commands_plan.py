"""A plan is shown and saved, and nothing is done; a record that was drawn up stays one that can be relied on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from village import Village

Type = Callable[..., Any]

PLANNER = """
from dataclasses import dataclass
from runbook_lib.change.plan import HostPlan
from runbook_lib.change.resources import Seen

@dataclass
class Plan:
    plans: dict
    def __str__(self):
        return 'create x: "ws_token": "Zk3v9QeT7xLr2PwY"'

def plan(phase):
    assert phase.dry_run and phase.name == "20_work", phase
    return Plan({host: HostPlan(host, (), Seen({}, {}, {})) for host in phase.site.hosts})
"""


@pytest.fixture(autouse=True)
def planner(village: Village) -> None:
    name = f"plans_of_{village.root.name}"  # imported once in a process
    (village.root / "book" / f"{name}.py").write_text(PLANNER)
    manifest = village.root / "book" / "runbook.yaml"
    manifest.write_text(f"{manifest.read_text()}plans: {{20_work: '{name}:plan'}}\n")


def test_a_plan_is_shown_masked_saved_and_journalled(village: Village, type_in: Type, locked: list[list[str]]) -> None:
    ended = type_in("plan")
    assert ended.code == 0
    assert 'create x: "ws_token": "•••"' in ended.out
    assert "20_work: saved in " in ended.out
    assert "next: `runbook run --change c --site params/village.yaml --runbook book` carries it out" in ended.out
    (planned,) = village.events()
    assert (planned.what, planned.phase, planned.detail["plan"]) == ("planned", "20_work", "20_work")
    saved = json.loads((village.folder().plans / "20_work.json").read_text())
    assert list(saved["hosts"]) == ["a", "b"]
    assert locked == []
    assert village.ran == []
    assert type_in("run").code == 0


def test_a_change_without_a_name_gets_one(village: Village, runbook: Type) -> None:
    assert runbook("plan", "--site", "village", "--runbook", "book").code == 0
    (made,) = (village.root / "outputs").iterdir()
    assert made.name.startswith("village-2")


def test_only_what_can_be_planned_can_be_asked_for(village: Village, type_in: Type) -> None:
    assert type_in("plan", "--only", "20_work").code == 0
    ended = type_in("plan", "--only", "10_look", "--change", "d")
    assert (ended.code, ended.err) == (2, "runbook: no plan of 10_look -> the manifest has: 20_work\n")
    assert not village.folder("d").path.exists()


def test_a_record_that_was_relied_on_still_can_be(village: Village, type_in: Type) -> None:
    type_in("run")
    before = village.predicate()
    assert type_in("plan").code == 0
    after = village.predicate()
    assert [after[key] for key in ("verdict", "sentence", "dry_run")] == [
        before[key] for key in ("verdict", "sentence", "dry_run")
    ]


def test_a_record_that_was_touched_is_not_made_good(village: Village, type_in: Type) -> None:
    type_in("run")
    village.folder().report.write_text("all is well")
    assert type_in("plan").code == 0
    ended = type_in("report")
    assert ended.code == 9
    assert "report.html: touched" in ended.err


def test_a_planner_that_is_none_is_refused(village: Village, type_in: Type) -> None:
    manifest = Path("book/runbook.yaml")
    manifest.write_text(manifest.read_text().replace(":plan'", ":nothing'"))
    ended = type_in("plan")
    assert ended.code == 2
    assert "plans.20_work: plans_of_" in ended.err
    assert village.ran == []
