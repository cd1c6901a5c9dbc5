"""Real bots: two producers, a consumer with six timeframes, and one with a wrong token; then both producers die.

Counted by the exchange, and compared with it bit by bit. ``pytest -s`` prints the figures.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from real_bots import (
    ADDRESSES,
    FED,
    LENGTHS,
    OWNED,
    PAIRS,
    WRONG,
    age,
    asked,
    bots,
    closes,
    counting,
    holds,
    producing,
    same_as_the_exchange,
    seen,
    state,
    until,
)

from runbook_lib.lab.exchange import Exchange

pytestmark = [pytest.mark.bots, pytest.mark.xdist_group("fed")]  # one after the other: others start bots, too


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    async with counting() as found:
        yield found


def said_of(home: Path, close: float) -> bool:
    """Whether the feed has written down that the candles came that closed at ``close``."""
    came = state(home)["newest_candle_ms"]
    return all(came[f"{pair} 1m"] >= 1000 * (close - 60) for pair in PAIRS)


async def test_a_consumer_is_fed_in_every_timeframe_and_downloads_when_all_producers_are_dead(
    exchange: Exchange, tmp_path: Path
) -> None:
    homes = {bot: tmp_path / bot for bot in ADDRESSES}
    async with bots(homes):
        for bot in OWNED:
            (homes[bot] / "go").touch()
        await producing(homes)
        for bot in (FED, WRONG):
            (homes[bot] / "go").touch()

        await until("first candles", lambda: bool(seen(homes[FED]) and seen(homes[WRONG])), 90)
        await until("calm moment", lambda: 8 < time.time() % 60 < 55, 60)
        begun, started = time.time(), asked(exchange)
        close = begun // 60 * 60 + 60 * int(os.environ.get("CANDLES", "1"))
        await until("next candle", lambda: holds(homes[FED], close), close - begun + 30)
        await until("word of it", lambda: said_of(homes[FED], close), 20)  # and so that who asks needlessly is seen
        steady, fed = asked(exchange, begun), state(homes[FED])
        compared = await same_as_the_exchange(homes[FED])

        for bot in OWNED:
            os.kill(int((homes[bot] / "pid").read_text()), signal.SIGKILL)
        after = (time.time() + 1) // 60 * 60 + 60
        both = (homes[FED], homes[WRONG])
        await until("downloaded candle", lambda: all(holds(home, after) for home in both), after - time.time() + 30)
        await until("word of it", lambda: state(homes[FED])["state"] == "fallback", 20)
        alone, last = asked(exchange, after - 1), state(homes[FED])
        await same_as_the_exchange(homes[FED])

    said, arrived = (homes[WRONG] / "log").read_text(), fed["age_at_arrival_seconds"]
    print(f"""
candle requests until the consumer was ready: {dict(started)}
then, for {closes(begun, close)} closes of {len(PAIRS)} pairs: {dict(steady)}
{fed["served"]} requests served by {fed["served_by_producer"]}, {fed["waited"]} of them waited for
the newest candle arrived {max(arrived[f"{pair} 1m"] for pair in PAIRS):.2f} s after its close at the latest, the bot
  held all after {age(homes[FED], close):.2f} s, the one that downloads after {age(homes[WRONG], close):.2f} s
{compared} candles compared
both producers dead: {dict(alone)}, {last["fallbacks"]}; held all after {age(homes[FED], after):.2f} s, the one that
  downloads after {age(homes[WRONG], after):.2f} s""")  # noqa: T201 - figures to read
    assert started[FED] == steady[FED] == 0
    assert fed["fallbacks"] == {}
    assert set(fed["served_by_producer"]) == {f"producer-{bot}" for bot in OWNED}
    assert {bot: steady[bot] for bot in OWNED} == {bot: closes(begun, close) * len(OWNED[bot]) for bot in OWNED}
    assert alone[FED] == closes(after - 1, after) * len(PAIRS)
    assert age(homes[FED], after) < age(homes[WRONG], after) + 2
    assert set(last["fallbacks"]) == {"no producer answers"}
    assert started[WRONG] >= len(PAIRS) * len(LENGTHS)
    assert said.count("wrong token") == len(OWNED)
    for bot in (FED, WRONG):
        assert "Traceback" not in (homes[bot] / "log").read_text()
