import json
import logging
from pathlib import Path

import pytest

from runbook_lib.freqtrade.feed.answers import Reason
from runbook_lib.freqtrade.feed.state import FeedState
from runbook_lib.freqtrade.feed.times import window

STEP = 60_000
FORMING = 1_000 * STEP
WINDOW = window(now=FORMING / 1000 + 3, step=STEP, since=None, limit=10)


class Kept:
    def __init__(self, path: Path) -> None:
        self.now = FORMING / 1000 + 3.25
        self.file = path / "state.json"
        self.state = FeedState(self.file, clock=lambda: self.now)

    def serve(self, waited: float = 0.0) -> None:
        self.state.serve("BTC/USDT 1m", WINDOW, "first", waited)

    def turn(self) -> None:
        self.now += 60
        self.state.turn()

    def read(self) -> dict[str, object]:
        return dict(json.loads(self.file.read_text()))


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_counts_what_was_served_and_when_it_arrived(kept: Kept) -> None:
    kept.serve()
    kept.serve(waited=4.5)
    kept.turn()
    found = kept.read()
    assert (found["served"], found["waited"], found["longest_wait_seconds"]) == (2, 1, 4.5)
    assert found["newest_candle_ms"] == {"BTC/USDT 1m": FORMING - STEP}
    assert found["age_at_arrival_seconds"] == {"BTC/USDT 1m": 3.25}
    assert found["state"] == "serving"


def test_a_line_when_the_state_changes_and_none_per_candle(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(5):
        kept.serve()
        kept.turn()
    for _ in range(5):
        kept.state.fall_back("ETH/USDT 1m", Reason.DEAD)
        kept.turn()
    kept.turn()
    kept.serve()
    kept.turn()
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(": ")[1] for line in lines] == [
        "starting -> serving",
        "serving -> fallback",
        "fallback -> serving",
    ]
    assert "ETH/USDT 1m" in lines[1]
    assert Reason.DEAD in lines[1]


def test_a_new_reason_is_a_change(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    for reason in (Reason.DEAD, Reason.STALE):
        kept.state.fall_back("ETH/USDT 1m", reason)
        kept.turn()
    assert len(caplog.records) == 2
    assert kept.read()["fallbacks"] == {str(Reason.DEAD): 1, str(Reason.STALE): 1}


def test_its_own_requests_move_the_newest_closed_candle_only(kept: Kept) -> None:
    kept.state.own("BTC/USDT 1m", [[FORMING - STEP, 1.0], [FORMING, 1.0]], WINDOW)
    kept.state.own("BTC/USDT 1w", [[FORMING, 1.0]], None)
    kept.turn()
    assert kept.read()["own_requests"] == 2
    assert kept.read()["newest_candle_ms"] == {"BTC/USDT 1m": FORMING - STEP}


def test_written_at_most_once_a_second_and_never_torn(kept: Kept) -> None:
    kept.serve()
    kept.state.write()
    kept.serve()
    kept.now += 0.9
    kept.state.write()
    assert kept.read()["served"] == 1
    kept.now += 0.2
    kept.state.write()
    assert kept.read()["served"] == 2
    assert [path.name for path in kept.file.parent.iterdir()] == ["state.json"]


def test_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "missing")
    kept.serve()
    kept.turn()
    assert kept.state.served == 1
