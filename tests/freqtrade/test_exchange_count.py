"""The lab's exchange is asked for exactly the window, and its answer read host by host."""

from typing import Any

import httpx
import pytest

from runbook_lib.errors import LabError
from runbook_lib.freqtrade.exchange_count import exchange_count, repeated_downloads
from runbook_lib.freqtrade.meters import FleetMeter

SOURCES = {
    "73": {
        "requests": {"klines": 12, "exchangeInfo": 3, "ping": 4},
        "klines_by_interval": {"1m": 9, "5m": 3},
        "statuses": {"200": 16, "429": 2, "418": 1, "500": 7},
        "weight_by_minute": {"60": 20, "120": 44, "180": 3},
        "streams": 55,
    },
    "75": {"requests": {"ping": 1}, "klines_by_interval": {}, "statuses": {}, "weight_by_minute": {}, "streams": 0},
    "operator": {"requests": {"klines": 999}, "statuses": {"429": 9}, "weight_by_minute": {"60": 9999}, "streams": 9},
}


class Exchange:
    """An exchange of which only the answer is played."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer: httpx.Response | httpx.HTTPError = httpx.Response(200, json={"sources": SOURCES})
        self.asked: list[httpx.Request] = []
        monkeypatch.setattr(httpx, "get", self._get)

    def _get(self, url: str, *, timeout: float, trust_env: bool, **more: Any) -> httpx.Response:
        assert not trust_env, "a proxy of the operator's must not stand between"
        with httpx.Client(transport=httpx.MockTransport(self._reply), timeout=timeout) as client:
            return client.get(url, **more)

    def _reply(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if isinstance(self.answer, httpx.HTTPError):
            raise self.answer
        return self.answer


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    return Exchange(monkeypatch)


def count(*hosts: str) -> FleetMeter:
    return exchange_count("http://127.0.0.1:18081", hosts or ("73", "75"), since=60.0004, until=240.0006)


def test_it_asks_for_the_window_in_milliseconds(exchange: Exchange) -> None:
    count()
    [request] = exchange.asked
    assert str(request.url) == "http://127.0.0.1:18081/counts?since_ms=60000&until_ms=240001"


def test_each_host_is_read_and_nobody_else(exchange: Exchange) -> None:  # noqa: ARG001 - it answers
    told = count()
    assert told.meter == "the exchange"
    assert told.candle_requests == {"73": 12, "75": 0}
    assert told.other_calls == {"73": {"exchangeInfo": 3, "ping": 4}, "75": {"ping": 1}}
    assert told.rejected == {"73": {429: 2, 418: 1}, "75": {}}
    assert told.by_interval == {"73": {"1m": 9, "5m": 3}, "75": {}}
    assert told.weight_peak == {"73": 44, "75": 0}
    assert told.streams == {"73": 55, "75": 0}


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(500), httpx.Response(404), httpx.ConnectError("refused"), httpx.ReadTimeout("too long")],
)
def test_a_lab_that_does_not_answer_is_one_line(exchange: Exchange, answer: Any) -> None:
    exchange.answer = answer
    with pytest.raises(LabError, match=r"does not answer at http://127\.0\.0\.1:18081") as caught:
        count()
    assert "runbook lab status" in caught.value.remedy


@pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"sources": {"73": 1}}', b'{"sources": []}'])
def test_an_answer_that_misses_a_host_is_one_line(exchange: Exchange, body: bytes) -> None:
    exchange.answer = httpx.Response(200, content=body)
    with pytest.raises(LabError, match="does not count for all hosts"):
        count()


def entry(source: str, symbol: str, endpoint: str = "klines", interval: str = "1m") -> dict[str, str]:
    return {"source": source, "symbol": symbol, "endpoint": endpoint, "interval": interval}


def repeated() -> int:
    return repeated_downloads("http://127.0.0.1:18081", ("73", "75"), "1m", since=60.0, until=120.0)


def test_a_download_counts_as_repeated_whoever_made_it_first(exchange: Exchange) -> None:
    once = [entry("73", "BTCUSDT"), entry("73", "ETHUSDT")]
    exchange.answer = httpx.Response(200, json=once)
    assert repeated() == 0
    exchange.answer = httpx.Response(200, json=[*once, entry("75", "BTCUSDT"), entry("73", "BTCUSDT")])
    assert repeated() == 2
    assert str(exchange.asked[-1].url).endswith("/requests?since_ms=60000&until_ms=120000")


def test_other_hosts_endpoints_and_timeframes_repeat_nothing(exchange: Exchange) -> None:
    others = [entry("operator", "BTCUSDT"), entry("73", "BTCUSDT", "ticker"), entry("73", "BTCUSDT", interval="5m")]
    exchange.answer = httpx.Response(200, json=[entry("73", "BTCUSDT"), *others])
    assert repeated() == 0


@pytest.mark.parametrize("body", [b"no json", b"[1]", b'[{"source": "73"}]'])
def test_a_ledger_that_cannot_be_read_is_one_line(exchange: Exchange, body: bytes) -> None:
    exchange.answer = httpx.Response(200, content=body)
    with pytest.raises(LabError, match="does not tell of requests"):
        repeated()
