from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from runbook_lib.freqtrade.feed.candle.times import OVERLAP
from runbook_lib.freqtrade.feed.exchange.asked import Asked, ask_again, install, joined, newest, plain
from runbook_lib.freqtrade.feed.exchange.budget import Need

STEP = 60_000
FORMING = 28_000_000 * STEP
NOW = FORMING / 1000 + 1.5


def asked(**changed: Any) -> Asked:
    given: dict[str, Any] = {
        "symbol": "BTC/USDT", "timeframe": "1m", "since": None, "limit": 1000, "params": {}, "now": NOW,
    }  # fmt: skip
    return Asked(**given | changed)


def exchange(held: int | None = None, ohlcv_params: dict[str, object] | None = None) -> Any:
    frame = pd.DataFrame()
    if held is not None:
        frame = pd.DataFrame({"date": pd.to_datetime([held - STEP, held], unit="ms", utc=True), "close": 1.0})
    return SimpleNamespace(
        klines=lambda key, copy: frame if key == ("BTC/USDT", "1m", "spot") and not copy else pd.DataFrame(),
        get_option=lambda name, _default: ohlcv_params if name == "ohlcv_params" else None,
    )


@pytest.mark.parametrize("changed", [{"limit": None}, {"limit": 0}, {"timeframe": "1w"}, {"timeframe": "3d"}])
def test_what_the_feed_does_not_understand_has_no_window(changed: dict[str, Any]) -> None:
    assert asked(**changed).window is None
    assert asked(**changed).enough == changed.get("limit", 1000)


def test_who_holds_candles_asks_for_the_new_ones_and_a_few_again() -> None:
    request = joined(asked(), exchange(held=FORMING - 2 * STEP), "spot")
    assert request.held_to == FORMING - 2 * STEP
    assert request.enough == OVERLAP + 3
    assert request.need("1m") is Need.LIVE


@pytest.mark.parametrize(
    ("changed", "params"),
    [({"since": FORMING - 9 * STEP}, None), ({"params": {"price": "mark"}}, None), ({}, {"price": "last"})],
)
def test_history_and_other_prices_are_asked_for_as_they_are(
    changed: dict[str, Any], params: dict[str, object] | None
) -> None:
    request = asked(**changed)
    assert joined(request, exchange(FORMING - 2 * STEP, params), "spot") is request
    assert request.enough == 1000


@pytest.mark.parametrize(
    ("params", "options", "is_plain"),
    [({}, None, True), ({}, {}, True), ({"price": "mark"}, {}, False), ({"a": 1}, {"a": 1}, True)],
)
def test_a_markets_own_candles_are_told_from_other_prices(
    params: dict[str, object], options: dict[str, object] | None, is_plain: bool
) -> None:
    assert plain(asked(params=params), exchange(ohlcv_params=options)) is is_plain


@pytest.mark.parametrize(
    ("changed", "need"),
    [
        ({"since": FORMING}, Need.HISTORY),
        ({"since": FORMING, "held_to": FORMING}, Need.HISTORY),
        ({"held_to": FORMING}, Need.LIVE),
        ({"held_to": FORMING, "timeframe": "1h"}, Need.LIVE),
        ({}, Need.FIRST),
        ({"timeframe": "1h"}, Need.MORE),
    ],
)
def test_what_it_is_wanted_for(changed: dict[str, Any], need: Need) -> None:
    assert asked(**changed).need("1m") is need


def test_the_newest_candle_of_a_frame() -> None:
    assert newest(pd.DataFrame()) is None
    assert newest(pd.DataFrame({"close": [1.0]})) is None
    for unit in ("ms", "ns"):
        dates = pd.to_datetime([FORMING - STEP, FORMING], unit="ms", utc=True).as_unit(unit)
        assert newest(pd.DataFrame({"date": dates})) == FORMING


async def test_only_this_object_gets_another_source() -> None:
    async def fetch() -> list[list[float]]:
        return [[1.0]]

    one: Any = SimpleNamespace(fetch_ohlcv=fetch)
    other = SimpleNamespace(fetch_ohlcv=fetch)

    def twice(original: Any) -> Any:
        async def both() -> Any:
            return [*await original(), *await original()]

        return both

    install(one, twice)
    assert await one.fetch_ohlcv() == [[1.0], [1.0]]
    assert await other.fetch_ohlcv() == [[1.0]]


def test_what_an_exchange_that_refused_left_out_is_asked_for_again() -> None:
    polled = {("BTC/USDT", "5m", "spot"): 1, ("BTC/USDT", "1h", "spot"): 2, ("ETH/USDT", "5m", "spot"): 3}
    left_out = {("BTC/USDT", "5m"), ("XRP/USDT", "5m")}
    bots: Any = SimpleNamespace(_pairs_last_poll_time=polled)
    ask_again(bots, left_out, "spot")
    assert list(polled) == [("BTC/USDT", "1h", "spot"), ("ETH/USDT", "5m", "spot")]
    assert left_out == set()
    before: Any = SimpleNamespace()  # freqtrade 2026.8 keeps no such account
    ask_again(before, {("BTC/USDT", "5m")}, "spot")
