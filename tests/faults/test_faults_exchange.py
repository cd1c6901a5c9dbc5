"""The exchange bans an address: whoever asked from there stops at the first refusal, and every count tells of it.

What real bots do then belongs to the test of the whole migration; here the questions are ours alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from faulty_lab import Lab, Tripwire, free_port, host_settings

from runbook_lib.errors import HostError
from runbook_lib.freqtrade import probes
from runbook_lib.freqtrade.exchange_count import exchange_count
from runbook_lib.freqtrade.market_data import AT_ONCE, settled_candles
from runbook_lib.freqtrade.meters import FleetMeter
from runbook_lib.lab.exchange import Exchange, ExchangeSettings

pytestmark = pytest.mark.hosts

PAIRS = tuple(f"C{number:02d}/USDT" for number in range(30))
SOURCES = {"76": "127.0.9.176", "operator": "127.0.9.199"}
ALWAYS = 2_000_000_000.0  # unix seconds


@dataclass(frozen=True)
class Banning:
    """An exchange, and a host that asks it. ``admin``: where its faults are ordered."""

    lab: Lab
    admin: str
    port: int

    def url(self, source: str) -> str:
        return f"http://{SOURCES[source]}:{self.port}/api/v3"

    def ban(self, source: str, status: int) -> None:
        wish = {"source": source, "status": status, "retry_after": 30}
        httpx.post(f"{self.admin}/faults", json=wish, trust_env=False).raise_for_status()

    def asked(self, source: str) -> int:
        return sum(self._count(source).other_calls[source].values())

    def refused(self, source: str) -> dict[int, int]:
        return dict(self._count(source).rejected[source])

    def _count(self, source: str) -> FleetMeter:
        return exchange_count(self.admin, [source], since=0, until=ALWAYS)


@pytest.fixture
def banning(tmp_path: Path) -> Iterator[Banning]:
    with Lab(tmp_path, host_settings(tmp_path, "76")) as lab:
        port, admin = free_port(SOURCES["76"]), free_port("127.0.0.1")
        exchange = Exchange(ExchangeSettings(1, PAIRS, SOURCES, port, admin))
        lab.wait(exchange.start())
        yield Banning(lab, f"http://127.0.0.1:{admin}", port)
        lab.wait(exchange.stop())


@pytest.mark.parametrize("status", [403, 418, 429])
def test_a_host_that_is_banned_asks_no_more(banning: Banning, status: int) -> None:
    with Tripwire(lambda: banning.asked("76") >= 3, lambda: banning.ban("76", status)) as wire:
        series = probes.weight_series(banning.lab["76"], banning.url("76"), seconds=20, every=0.1)
    assert wire.tripped
    assert [sample.status for sample in series.samples[:-1]] == [200] * (len(series.samples) - 1)
    assert (series.refused, series.samples[-1].retry_after) == (status, 30)
    assert banning.refused("76") == {status: 1}
    assert banning.refused("operator") == {}


@pytest.mark.parametrize("status", [403, 418, 429])
def test_an_operator_who_is_banned_fetches_no_more(banning: Banning, status: int) -> None:
    banning.ban("operator", status)
    with pytest.raises(HostError, match=f"refused with {status}; nothing more is asked of it -> wait 30 s, then fetch"):
        settled_candles(banning.url("operator"), PAIRS, timeframe="5m", candles=100)
    assert banning.refused("operator") == {status: 1}


def test_an_operator_who_is_banned_in_the_middle(banning: Banning) -> None:
    def begun() -> bool:
        seen = exchange_count(banning.admin, ["operator"], since=0, until=ALWAYS)
        return seen.candle_requests["operator"] >= 3

    with (
        Tripwire(begun, lambda: banning.ban("operator", 418)) as wire,
        pytest.raises(HostError, match="klines refused with 418"),
    ):
        settled_candles(banning.url("operator"), PAIRS * 20, timeframe="5m", candles=1000)
    assert wire.tripped
    assert 1 <= banning.refused("operator")[418] <= AT_ONCE, "only what was under way when the first was refused"
