"""The main job, whole: real bots, real SSH, real notebooks; few pairs."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest
from lab_project import Project

from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder

PHASES = ["10_preflight", "20_baseline", "30_producers", "40_consumers", "60_validate", "70_failover_drill"]
PAIRS = 3  # of each producer

pytestmark = pytest.mark.bots


@pytest.mark.xdist_group("whole")  # most of it is waiting for candles, which others can use
@pytest.mark.parametrize("project", [41], indirect=True)
def test_a_rehearsal_proves_the_plan(project: Project) -> None:
    run = project.start("rehearse", "--change", "whole", "--pairs", str(PAIRS))
    said, _ = run.communicate(timeout=1800)

    assert run.returncode == 0, said
    folder = ChangeFolder(project.root / "outputs", "whole")
    assert statement.check(folder) == []
    predicate = statement.read(folder)["predicate"]
    figures = predicate["figures"]
    assert predicate["verdict"] == "Successful"
    assert figures["candle_requests_per_candle_before"] == 4 * 2 * PAIRS
    assert figures["candle_requests_per_candle_after"] == 2 * PAIRS
    assert figures["consumer_candle_requests_after"] == 0
    assert figures["mismatching_cells_after"] == figures["missing_candles_after"] == 0
    assert figures["compared_cells"] > 4 * 2 * PAIRS * 900 * 5
    claims = {claim["id"]: claim["verdict"] for claim in predicate["claims"]}
    assert list(claims) == [f"C{number}" for number in range(1, 10)]
    assert {name for name, verdict in claims.items() if verdict == "Successful"} >= {"C1", "C2", "C3", "C5", "C7", "C8"}
    assert figures["drill_late_candles"] == figures["drill_missing_candles"] == figures["drill_own_requests"] == 0
    assert figures["drill_requests_per_candle"] == 2 * PAIRS
    assert figures["fallback_own_requests"] == 4 * 2 * PAIRS
    assert 0 <= figures["takeover_seconds"] <= 120
    assert re.search(rf"Successful: {8 * PAIRS} → {2 * PAIRS} candle requests per candle, −75", said)
    assert sorted(path.stem for path in folder.notebooks.glob("*.ipynb")) == PHASES
    assert len(list(folder.charts.glob("*.svg"))) >= 5
    assert project.processes() == []
    _nothing_secret_in(project, folder)


def _nothing_secret_in(project: Project, folder: ChangeFolder) -> None:
    """Every secret of every bot's config is looked for in every file of the record."""
    found = set()
    for config in (project.root / ".lab" / "hosts").glob("*/root/home/freqai/freqtrade/user_data/config*.json"):
        found |= set(re.findall(r'"(?:ws_token|jwt_secret_key|password)": "([^"]+)"', config.read_text()))
    assert len(found) >= 4 * 3 + 2 * 3
    for path in folder.files():
        text = path.read_bytes()
        assert [secret for secret in found if secret.encode() in text] == [], path


@pytest.mark.parametrize("project", [42], indirect=True)
def test_an_interrupt_leaves_no_process_and_a_valid_record(project: Project) -> None:
    run = project.start("rehearse", "--change", "cut", "--pairs", "1")
    notebook = project.root / "outputs" / "cut" / "notebooks" / "20_baseline.ipynb"
    deadline = time.time() + 240
    while not notebook.exists() and run.poll() is None and time.time() < deadline:
        time.sleep(0.2)
    time.sleep(2)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=90)

    assert run.returncode == 130, said
    assert "interrupted" in said
    folder = ChangeFolder(project.root / "outputs", "cut")
    assert statement.check(folder) == []
    predicate = statement.read(folder)["predicate"]
    assert predicate["verdict"] == "Inconclusive"
    assert "30_producers" in predicate["not_run"]
    assert project.processes() == []


@pytest.mark.parametrize("project", [43], indirect=True)
def test_a_failed_gate_stops_the_run_and_keeps_its_record(project: Project) -> None:
    with project.edited() as site:
        site["freqtrade"]["versions"] = ["1999.1"]
    run = project.start("rehearse", "--change", "unfit", "--pairs", "1")
    said, _ = run.communicate(timeout=240)

    assert run.returncode == 6, said
    assert "73: freqtrade: expected 1999.1, observed 2026.9" in said
    predicate = json.loads((project.root / "outputs" / "unfit" / "record.json").read_text())["predicate"]
    assert predicate["verdict"] == "Failed"
    assert predicate["not_run"] == PHASES[1:]
    assert not list((project.root / ".lab" / "hosts").glob("73/root/home/freqai/freqtrade/user_data/strategies/*"))
    assert project.processes() == []
