"""Real bots that all start at the same moment, as after a power cut: nobody costs the exchange more than it may.

Counted by the exchange. ``make outages`` runs it and prints the figures.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from real_bots import FED, OWNED, asked, bots, counting, same_as_the_exchange, seen, state, until

from runbook_lib.lab.exchange.ledger import Entry

pytestmark = [pytest.mark.bots, pytest.mark.whole_sweep, pytest.mark.xdist_group("fed")]
FLEET = (*OWNED, FED)
WEIGHT = 24
"""Request weight that a bot's candles may cost in a minute here: less than its first load does."""


def busiest(entries: list[Entry]) -> int:
    """Return the weight of the minute in which most was asked for, wherever that minute begins."""
    return max(
        sum(each.weight for each in entries if first.time_ms <= each.time_ms < first.time_ms + 60_000)
        for first in entries
    )


async def test_what_is_needed_first_comes_first_and_the_rest_waits(tmp_path: Path) -> None:
    homes = {bot: tmp_path / bot for bot in FLEET}
    async with counting() as exchange, bots(homes, feed={"weight_per_minute": WEIGHT}):
        began = time.time()
        for home in homes.values():
            (home / "go").touch()
        loaded = lambda: any(all(each["newest"].values()) for each in seen(homes[FED])[-1:])  # noqa: E731 - short
        await until("all that the consumer wants", loaded, 600)
        took = time.time() - began
        compared = await same_as_the_exchange(homes[FED])
    candles = [each for each in exchange.venue.ledger.entries() if each.endpoint == "klines"]
    by = {bot: [each for each in candles if each.source == bot] for bot in FLEET}
    weights = {bot: busiest(entries) for bot, entries in by.items() if entries}
    courses = "\n    ".join(
        f"{bot}: "
        + " ".join(f"{each.time_ms / 1000 - began:.0f}s:{each.symbol[:3]}-{each.interval}" for each in entries)
        for bot, entries in by.items()
    )
    print(f"""
all at once, {WEIGHT} a minute at most: weight in the busiest minute {weights}, requests {dict(asked(exchange))},
    the consumer holds all after {took:.0f} s, {state(homes[FED])["fallbacks"]}, {compared} candles compared
    {courses}""")  # noqa: T201 - figures to read
    assert max(weights.values()) <= WEIGHT
    # the consumer waits for a producer, and asks for itself what does not come in time
    assert max(sum(each.weight for each in entries) for entries in by.values()) > WEIGHT, "nothing had to wait"
    for bot, pairs in OWNED.items():
        first = {(each.symbol, each.interval) for each in by[bot][: len(pairs)]}
        assert first == {(pair.replace("/", ""), "1m") for pair in pairs}, "what a bot trades on comes first"
    own = [(each.symbol, each.interval) for each in by[FED]]
    needed = [own.index(each) for each in own if each[1] == "1m"]
    assert sum(each.weight for each in by[FED][: max(needed, default=0) + 1]) <= WEIGHT
