"""What the feed writes on its host is what the runbook reads: both ends of one file (`freqtrade.feed_state`)."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade import feed_state
from runbook_lib.freqtrade.feed.answers import Reason
from runbook_lib.freqtrade.feed.settings import state_file
from runbook_lib.freqtrade.feed.state import FeedState
from runbook_lib.freqtrade.feed.times import window
from runbook_lib.freqtrade.feed_state import STATE_FILE, FeedReport, read
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.params import load

SITE = load(Path(__file__).parents[2] / "params" / "lab.yaml", FreqtradeSite)
PATH = f"freqtrade/{STATE_FILE}"


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Files of the host, by path."""
    files: dict[str, bytes] = {}
    monkeypatch.setattr(feed_state, "Files", lambda _session: SimpleNamespace(read=files.get))
    return files


def ask() -> FeedReport:
    session: Any = SimpleNamespace(name="75")
    return read(session, SITE)


def test_what_the_feed_writes_is_read(standing: dict[str, bytes], tmp_path: Path) -> None:
    state = FeedState(tmp_path / "state.json", clock=lambda: 1000.5)
    span = window(now=1000.5, step=60_000, since=None, limit=10)
    state.serve("BTC/USDT 1m", span, "73", 0.0)
    state.serve("ETH/USDT 1m", span, "108", 1.5)
    state.serve("XRP/USDT 1m", span, "108", 0.0)
    reason = next(iter(Reason))
    state.fall_back("SOL/USDT 1m", reason)
    state.own("SOL/USDT 1m", [], None)
    state.own("SOL/USDT 1m", [], None)
    state.turn()
    standing[PATH] = (tmp_path / "state.json").read_bytes()
    assert ask() == FeedReport(
        started=1000.5,
        state="fallback",
        served=3,
        own_requests=2,
        fallbacks={str(reason): 1},
        by_producer={"73": 1, "108": 2},
    )


def test_both_ends_mean_the_same_file() -> None:
    assert state_file({"user_data_dir": "user_data"}) == Path(STATE_FILE)


def test_no_file_means_no_feed(standing: dict[str, bytes]) -> None:
    standing["elsewhere"] = b"{}"
    with pytest.raises(CommandFailed) as caught:
        ask()
    assert caught.value.host == "75"
    assert caught.value.what == f"no {PATH}: the bot does not run the feed"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"{}", json.dumps({"started": 1, "state": "x"}).encode()])
def test_a_file_of_another_shape_is_one_line(standing: dict[str, bytes], content: bytes) -> None:
    standing[PATH] = content
    with pytest.raises(CommandFailed, match="is no state of the feed") as caught:
        ask()
    assert "\n" not in str(caught.value)
    assert caught.value.host == "75"
