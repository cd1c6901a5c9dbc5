"""What a site file says beyond hosts: the bots, who produces which pairs, the feed's times, the gates' thresholds."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from runbook_lib.gates.ranks import fewest
from runbook_lib.params.model import HostName, Model, Port, Site


def _no_repeats(pairs: list[str]) -> list[str]:
    repeated = [pair for pair, times in Counter(pairs).items() if times > 1]
    if repeated:
        raise ValueError(f"named twice: {', '.join(repeated)}")
    return pairs


Pair = Annotated[str, Field(pattern=r"^[A-Z0-9]+/[A-Z0-9]+$")]
Pairs = Annotated[list[Pair], Field(min_length=1), AfterValidator(_no_repeats)]


class Bot(Model):
    """Where freqtrade lies on every host. Paths are relative to the login's home unless absolute."""

    directory: str = Field("freqtrade", description="freqtrade's own directory; user_data lies in it")
    python: str = Field("freqtrade/.venv/bin/python", description="the Python that freqtrade runs in")
    versions: list[str] = Field(
        ["2026.9", "2026.8"], min_length=1, description="freqtrade versions that the feed was tested with, newest first"
    )
    timeframe: Literal["1m", "3m", "5m", "15m", "30m", "1h"] = Field("5m", description="candle length of the fleet")
    enable_ws: bool = Field(True, description="whether feeders (before) and producers (after) use kline streams")

    @property
    def candle_seconds(self) -> int:
        """Length of a candle of the fleet's timeframe."""
        return int(self.timeframe[:-1]) * {"m": 60, "h": 3600}[self.timeframe[-1]]


class Exchange(Model):
    """The exchange's public REST, as the hosts see it. ``{address}`` stands for the host's own address (lab only)."""

    rest_url: str = "https://api.binance.com/api/v3"
    rest_url_here: str | None = Field(
        None, description="the same as this machine sees it, where that differs (lab only)"
    )
    ccxt_config: dict[str, object] = Field(default_factory=dict, description="passed to freqtrade as it is (lab only)")
    weight_per_minute: int = Field(6000, gt=0, description="request weight that one source may use in a minute")
    admin_url: str | None = Field(None, description="the lab's own count of calls; production has none")


class Producer(Model):
    """One data producer: which pairs it downloads and where it serves them."""

    pairs: Pairs
    port: Port = 8080
    unit: str = "freqtrade-producer.service"


class Consumer(Model):
    """One feeder that becomes a consumer. ``config``: its existing config, relative to freqtrade's directory."""

    config: str = "user_data/config.json"
    unit: str = "freqtrade.service"


class Feed(Model):
    """How the feed's bots ask and wait: what stands in their configs. Waits begin when a candle has settled."""

    settle_seconds: float = Field(2.0, ge=0, description="how long the exchange may revise a candle after its close")
    hedge_seconds: float = Field(
        4.0, gt=0, description="how long a consumer asks a pair's own producer alone, before it asks the other, too"
    )
    takeover_seconds: float = Field(
        10.0, gt=0, description="how long a producer waits for the other one, before it downloads in its place"
    )
    start_seconds: float = Field(
        20.0, ge=0, description="how long a consumer that starts waits for a first producer to come up"
    )
    wait_seconds: float = Field(20.0, gt=0, description="how long a consumer waits for a live producer's candle")
    weight_per_minute: float = Field(
        1200.0, gt=0, description="request weight that one bot's candles may cost at the exchange in a minute"
    )

    @model_validator(mode="after")
    def _each_has_its_time(self) -> Self:
        if not self.hedge_seconds <= self.takeover_seconds < self.wait_seconds:
            raise ValueError(
                "hedge_seconds <= takeover_seconds < wait_seconds must hold: a consumer asks the other producer no "
                "later than that one takes over, and still waits when it does"
            )
        return self


class Gates(Model):
    """Thresholds. Seconds, milliseconds and counts as the names say."""

    candles: int = Field(3, ge=2, description="closed candles to measure over")
    minimum_cells: int = Field(1, ge=1, description="fewer compared cells than this is Inconclusive")
    clock_offset_seconds: float = 0.5
    free_megabytes: int = 500
    latency_milliseconds: float = 1.0
    candle_age_seconds: float = Field(55.0, description="age of the newest candle over its close, at most")
    weight_share: float = Field(0.5, description="share of the exchange's limit that one source may use", gt=0, le=1)
    start_seconds: float = Field(240.0, description="how long a bot may take to be ready")
    settle_seconds: float = Field(5.0, ge=0, description="how long a bot's unit must run on to count as running")
    canary_candles: int = Field(
        2, ge=1, description="closed candles that the canary must hold identical before the rest is touched"
    )
    drill_candles: int = Field(2, ge=1, description="closed candles that a drill leaves one producer down for")
    drill_candles_after: int = Field(
        1, ge=1, description="closed candles that a drill watches once the producer has its pairs again"
    )
    drill_both: bool = Field(
        False,
        description="whether a drill then kills all producers for one candle: every consumer asks the exchange itself",
    )
    delay_margin_seconds: float = Field(
        5.0,
        ge=0,
        description="how much later than before bots may have analysed a candle; "
        "more than feed.settle_seconds, which the feed waits on purpose",
    )
    minimum_bots: int = Field(
        4, ge=1, description="bots whose delay is known, before and after; fewer are Inconclusive"
    )
    significance: float = Field(
        0.05, gt=0, lt=0.5, description="chance at which a rank test takes luck for a difference (alpha)"
    )
    effect_size: float = Field(
        0.33, gt=0, le=1, description="Cliff's delta from which a difference matters; 0.33 is called medium, 0.47 large"
    )

    @model_validator(mode="after")
    def _some_delays_can_fail(self) -> Self:
        if self.minimum_bots < (needed := fewest(self.significance)):
            raise ValueError(
                f"with {self.minimum_bots} bots and a significance of {self.significance:g} no delay could ever fail: "
                f"minimum_bots must be {needed} at least"
            )
        return self


class FreqtradeSite(Site):
    """A whole site file of this migration."""

    freqtrade: Bot = Bot()
    exchange: Exchange = Exchange()
    producers: dict[HostName, Producer] = Field(min_length=1)
    consumers: dict[HostName, Consumer] = Field(min_length=1)
    feed: Feed = Feed()
    gates: Gates = Gates()

    @property
    def pairs(self) -> list[str]:
        """All pairs of all producers, in order."""
        return [pair for producer in self.producers.values() for pair in producer.pairs]

    def ccxt_config(self, host: str) -> dict[str, object]:
        """Return what a bot on ``host`` hands to ccxt, with the host's own address put in."""
        return {key: _with_address(value, self.hosts[host].address) for key, value in self.exchange.ccxt_config.items()}

    def rest_url(self, host: str) -> str:
        """Return the exchange's REST address as ``host`` sees it."""
        return self.exchange.rest_url.format(address=self.hosts[host].address)

    @property
    def rest_url_here(self) -> str:
        """The exchange's REST address as the operator's machine sees it."""
        return self.exchange.rest_url_here or self.exchange.rest_url

    @model_validator(mode="after")
    def _hosts_are_known(self) -> Self:
        unknown = [name for name in (*self.producers, *self.consumers) if name not in self.hosts]
        if unknown:
            raise ValueError(f"producers or consumers that are no hosts: {', '.join(unknown)}")
        both = sorted(set(self.producers) & set(self.consumers))
        if both:
            raise ValueError(f"hosts that are producer and consumer at once: {', '.join(both)}")
        return self

    @model_validator(mode="after")
    def _feed_fits(self) -> Self:
        feed, timeframe = self.feed, self.freqtrade.timeframe
        longest = feed.settle_seconds + feed.wait_seconds
        if longest >= self.freqtrade.candle_seconds:
            raise ValueError(
                f"feed: settle_seconds and wait_seconds are {longest:g} s together, so that a consumer would still "
                f"wait for a candle of {timeframe} when the next one closes"
            )
        allowed = self.exchange.weight_per_minute * self.gates.weight_share
        if feed.weight_per_minute > allowed:
            raise ValueError(
                f"feed: a bot may cost {feed.weight_per_minute:g} request weight a minute, more than the "
                f"{allowed:g} that gates.weight_share leaves its source"
            )
        return self

    @model_validator(mode="after")
    def _one_producer_a_pair(self) -> Self:
        twice = [pair for pair, times in Counter(self.pairs).items() if times > 1]
        if twice:
            raise ValueError(f"pairs that more than one producer downloads: {', '.join(twice)}")
        return self


def _with_address(value: object, address: str) -> object:
    """Put a host's address in place of ``{address}`` in every string."""
    if isinstance(value, dict):
        return {key: _with_address(inner, address) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_address(inner, address) for inner in value]
    return value.replace("{address}", address) if isinstance(value, str) else value
