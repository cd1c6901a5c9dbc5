import sys
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.freqtrade.feed.exchange.twin import fetch_of, twin_of


def merged(source: dict[str, Any], destination: dict[str, Any]) -> dict[str, Any]:
    """As freqtrade's own, which is not where this is tested."""
    for key, value in source.items():
        destination[key] = merged(value, destination.setdefault(key, {})) if isinstance(value, dict) else value
    return destination


class Ccxt:
    def __init__(self) -> None:
        self.source: object = None

    def set_markets_from_exchange(self, source: object) -> None:
        self.source = source

    async def fetch_ohlcv(self, *args: object) -> list[object]:
        assert self.source is not None, "it would ask the exchange for its markets"
        return list(args)


def test_it_is_made_as_freqtrade_makes_its_own_but_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "freqtrade", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "freqtrade.misc", SimpleNamespace(deep_merge_dicts=merged))
    made: list[tuple[Any, ...]] = []
    exchange: Any = SimpleNamespace(
        _ccxt_config={"options": {"defaultType": "swap"}}, _init_ccxt=lambda *args: made.append(args)
    )
    given = {
        "name": "binance",
        "key": "secret",
        "secret": "secret",
        "ccxt_config": {"options": {"a": 1}, "timeout": 5},
        "ccxt_async_config": {"timeout": 7},
    }
    twin_of(exchange, {"exchange": given})
    assert made == [
        ({"name": "binance"}, False, {"options": {"defaultType": "swap", "a": 1}, "timeout": 7}),
    ]


async def test_it_knows_the_markets_as_the_bot_knows_them_now() -> None:
    twin, exchange = Ccxt(), SimpleNamespace(_api_async="as it was")
    fetch = fetch_of(twin, exchange)  # type: ignore[arg-type]  # as much of them as it uses
    assert await fetch("BTC/USDT", "1m", None, 10, {}) == ["BTC/USDT", "1m", None, 10, {}]
    exchange._api_async = "as it is"
    await fetch("BTC/USDT", "1m", None, 10, {})
    assert twin.source == "as it is"
