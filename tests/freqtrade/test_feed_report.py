"""What the feed writes on its host is what the runbook reads: both ends of one file (`freqtrade.feed_state`)."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade import feed_state
from runbook_lib.freqtrade.feed.candle.times import window
from runbook_lib.freqtrade.feed.reasons import Reason
from runbook_lib.freqtrade.feed.settings import state_file
from runbook_lib.freqtrade.feed.state import FORMAT, FeedState
from runbook_lib.freqtrade.feed_state import FILES, STATE_FILE, Breaker, Event, FeedReport, Link, Takeover, read
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.params import load

SITE = load(Path(__file__).parents[2] / "params" / "lab.yaml", FreqtradeSite)
PATH = f"freqtrade/{STATE_FILE}"
NOW = 60_003.5


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Files of the host, by path."""
    files: dict[str, bytes] = {}
    monkeypatch.setattr(feed_state, "Files", lambda _session: SimpleNamespace(read=files.get))
    return files


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return what a producer's feed wrote after a busy night."""
    state = FeedState(tmp_path / "candle_feed_state.json", "producer", "producer-73", clock=lambda: NOW)
    span = window(now=NOW, step=60_000, since=None, limit=10)
    state.serve("BTC/USDT 1m", span, "73", 0.0)
    state.serve("ETH/USDT 1m", span, "108", 1.5)
    state.serve("XRP/USDT 1m", span, "108", 0.0)
    state.fall_back("SOL/USDT 1m", Reason.LATE)
    state.sent()
    state.sent()
    state.correct("ETH/USDT 1m", 2)
    state.link("108", "dead", "connection refused", round_trip_ms=1.25)
    state.take_over("108", 55, 7)
    state.guard("half-open", 60_090.0, "429", 310.0)
    state.turn()
    assert state.as_json()["state"] == "blocked"
    file = tmp_path / "candle_feed_state.json"
    file.write_text(json.dumps(state.as_json()))  # within the same second, the feed itself wrote only the first of it
    return file


def ask() -> FeedReport:
    session: Any = SimpleNamespace(name="75")
    return read(session, SITE)


def test_what_the_feed_writes_is_read(standing: dict[str, bytes], written: Path) -> None:
    standing[PATH] = written.read_bytes()
    assert ask() == FeedReport(
        started=NOW,
        state="blocked",
        served=3,
        own_requests=2,
        fallbacks={str(Reason.LATE): 1},
        by_producer={"73": 1, "108": 2},
        role="producer",
        name="producer-73",
        written=NOW,
        reason="",
        waited=1,
        longest_wait_seconds=1.5,
        producers={"108": Link("dead", "connection refused", NOW, 1.25)},
        takeover={"108": Takeover(NOW, 55, 7)},
        breaker=Breaker("half-open", 60_090.0, "429"),
        weight_used=310.0,
        corrected=2,
        newest={f"{coin}/USDT 1m": 59_940_000 for coin in ("BTC", "ETH", "XRP")},
        age={f"{coin}/USDT 1m": 3.5 for coin in ("BTC", "ETH", "XRP")},
        events=(
            Event(NOW, "ETH/USDT 1m: corrected: the exchange revised a candle after it had settled"),
            Event(NOW, "108: unknown -> dead: connection refused"),
            Event(NOW, "takes over from 108"),
            Event(NOW, "breaker: closed -> half-open: 429"),
            Event(NOW, "starting -> blocked: the exchange is not asked: 429"),
        ),
    )


def test_nothing_that_the_feed_writes_is_left_out(standing: dict[str, bytes], written: Path) -> None:
    told = json.loads(written.read_text())
    renamed = {
        "served_by_producer": "by_producer",
        "newest_candle_ms": "newest",
        "age_at_arrival_seconds": "age",
    }
    fields = {renamed.get(name, name) for name in told} - {"format"}
    assert fields == set(FeedReport.__dataclass_fields__)
    standing[PATH] = json.dumps({**told, "format": FORMAT}).encode()
    for name in told:
        standing[PATH] = json.dumps({key: value for key, value in told.items() if key != name}).encode()
        with pytest.raises(CommandFailed, match=f"no state of the feed: KeyError.*{name}"):
            ask()


def test_both_ends_mean_the_same_files(written: Path) -> None:
    assert state_file({"user_data_dir": "user_data"}) == Path(STATE_FILE)
    found = {f"user_data/{file.name}" for file in written.parent.iterdir()}
    assert found == {file for file in FILES if not file.endswith(".tmp")}
    assert feed_state.FORMAT == FORMAT


def test_no_file_means_no_feed(standing: dict[str, bytes]) -> None:
    standing["elsewhere"] = b"{}"
    with pytest.raises(CommandFailed) as caught:
        ask()
    assert caught.value.host == "75"
    assert caught.value.what == f"no {PATH}: the bot does not run the feed"


def test_another_version_of_the_feed_is_named(standing: dict[str, bytes], written: Path) -> None:
    standing[PATH] = json.dumps({**json.loads(written.read_text()), "format": 1}).encode()
    with pytest.raises(CommandFailed, match="format 1, not 2"):
        ask()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"{}", b'{"format": 2, "started": 1}', b'{"format": 2, "producers": []}']
)
def test_a_file_of_another_shape_is_one_line(standing: dict[str, bytes], content: bytes) -> None:
    standing[PATH] = content
    with pytest.raises(CommandFailed, match="is no state of the feed") as caught:
        ask()
    assert "\n" not in str(caught.value)
    assert caught.value.host == "75"


@pytest.mark.parametrize(
    ("section", "content"),
    [("producers", []), ("producers", {"108": {"state": "alive"}}), ("events", [7]), ("breaker", {"state": 1, "x": 2})],
)
def test_a_section_of_another_shape_is_one_line(
    standing: dict[str, bytes], written: Path, section: str, content: object
) -> None:
    standing[PATH] = json.dumps({**json.loads(written.read_text()), section: content}).encode()
    with pytest.raises(CommandFailed, match="is no state of the feed"):
        ask()
