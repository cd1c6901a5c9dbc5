"""Settings that make no sense together are refused before a host is touched."""

from typing import Any

import pytest
from pydantic import ValidationError

from runbook_lib.freqtrade.params import Bot, Feed, FreqtradeSite, Gates


def test_the_gates_of_a_site_that_says_nothing_are_sound() -> None:
    gates = Gates()
    assert (gates.minimum_bots, gates.significance, gates.canary_candles) == (4, 0.05, 2)


@pytest.mark.parametrize(("significance", "bots"), [(0.05, 4), (0.01, 5), (0.2, 2)])
def test_so_few_bots_that_no_delay_could_fail_are_refused(significance: float, bots: int) -> None:
    assert Gates(significance=significance, minimum_bots=bots).minimum_bots == bots
    with pytest.raises(ValidationError, match=f"minimum_bots must be {bots} at least"):
        Gates(significance=significance, minimum_bots=bots - 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"significance": 0},
        {"significance": 0.5},
        {"effect_size": 0},
        {"effect_size": 1.1},
        {"delay_margin_seconds": -1},
        {"canary_candles": 0},
    ],
)
def test_thresholds_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Gates.model_validate(wrong)


def site(**changed: Any) -> FreqtradeSite:
    return FreqtradeSite.model_validate(
        {
            "site": "lab",
            "hosts": {"73": {"address": "127.0.3.73"}, "75": {"address": "127.0.3.75"}},
            "ssh": {"user": "freqai"},
            "producers": {"73": {"pairs": ["BTC/USDT"]}},
            "consumers": {"75": {}},
        }
        | changed
    )


def test_the_feed_of_a_site_that_says_nothing_is_sound() -> None:
    feed = site().feed
    assert (feed.hedge_seconds, feed.takeover_seconds, feed.wait_seconds) == (4, 10, 20)
    assert Bot().versions == ["2026.9", "2026.8"]


@pytest.mark.parametrize(
    ("hedge", "takeover", "wait", "sound"),
    [(4, 10, 20, True), (10, 10, 20, True), (11, 10, 20, False), (4, 20, 20, False), (4, 21, 20, False)],
)
def test_a_consumer_outlasts_a_takeover(hedge: float, takeover: float, wait: float, sound: bool) -> None:
    times = {"hedge_seconds": hedge, "takeover_seconds": takeover, "wait_seconds": wait}
    if sound:
        assert Feed(**times).wait_seconds == wait
        return
    with pytest.raises(ValidationError, match="hedge_seconds <= takeover_seconds < wait_seconds"):
        Feed(**times)


@pytest.mark.parametrize("name", ["settle_seconds", "hedge_seconds", "takeover_seconds", "weight_per_minute"])
def test_a_time_before_its_beginning_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Feed.model_validate({name: -1})


@pytest.mark.parametrize(("timeframe", "wait", "sound"), [("1m", 57.9, True), ("1m", 58, False), ("5m", 297, True)])
def test_a_consumer_does_not_wait_into_the_next_candle(timeframe: str, wait: float, sound: bool) -> None:
    def made() -> FreqtradeSite:
        return site(freqtrade={"timeframe": timeframe}, feed={"settle_seconds": 2, "wait_seconds": wait})

    if sound:
        assert made().freqtrade.candle_seconds > wait
        return
    with pytest.raises(ValidationError, match=f"still wait for a candle of {timeframe}"):
        made()


def test_a_bot_takes_no_more_than_its_source_may() -> None:
    assert site(feed={"weight_per_minute": 3000})
    with pytest.raises(ValidationError, match="more than the 3000 that gates"):
        site(feed={"weight_per_minute": 3001})


def test_some_version_must_be_named() -> None:
    with pytest.raises(ValidationError, match="versions"):
        Bot(versions=[])
