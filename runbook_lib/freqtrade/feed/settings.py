"""What the feed reads from the bot's own config: its times, and its producers where freqtrade itself has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

CONFIG_KEY = "candle_feed"
PRODUCERS_KEY = "external_message_consumer"


@dataclass(frozen=True)
class FeedSettings:
    """Times in seconds.

    ``settle_seconds``: how long after its close the exchange may still revise a candle.
    ``wait_seconds``: how long after that a consumer waits for producers that live.
    ``hedge_seconds``: how long after that it asks the pair's own producer alone, before it asks the other one, too.
    ``takeover_seconds``: how long after that a producer waits for the other one before it downloads in its place.
    ``start_seconds``: how long a consumer that starts waits for a first producer to come up.
    ``clock_seconds``: how far a producer's clock may differ from the asker's.
    ``weight_per_minute``: request weight that this bot's candles may cost at the exchange in a minute.
    """

    settle_seconds: float = 2.0
    wait_seconds: float = 20.0
    hedge_seconds: float = 4.0
    takeover_seconds: float = 10.0
    start_seconds: float = 20.0
    clock_seconds: float = 0.5
    weight_per_minute: float = 1200.0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> FeedSettings:
        """Read the settings; a name that is not one of them is refused, so that a typo does not pass in silence."""
        given = dict(config.get(CONFIG_KEY, {}))
        unknown = sorted(set(given) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"unknown keys in {CONFIG_KEY}: {', '.join(unknown)}")
        return cls(**{name: float(value) for name, value in given.items()})


@dataclass(frozen=True)
class ProducerAddress:
    """Where a producer's api_server listens, and the token it wants, as ``external_message_consumer`` says."""

    name: str
    host: str
    port: int
    token: str = field(repr=False, default="")
    secure: bool = False

    @property
    def url(self) -> str:
        """Return where its api_server answers."""
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"


def producers_of(config: Mapping[str, Any]) -> tuple[ProducerAddress, ...]:
    """Return the producers that this bot listens to.

    freqtrade's own consumer stays switched off beside them: its frames lose bits, know one timeframe only, and come
    to every bot in JSON.
    """
    return tuple(
        ProducerAddress(
            each["name"], each["host"], int(each["port"]), str(each["ws_token"]), bool(each.get("secure", False))
        )
        for each in config.get(PRODUCERS_KEY, {}).get("producers", [])
    )


def candle_type_of(config: Mapping[str, Any]) -> str:
    """Return the kind of candles that the bot trades on: spot or futures."""
    return str(config.get("candle_type_def", "spot"))


def state_file(config: Mapping[str, Any]) -> Path:
    """Return where the feed keeps its counters."""
    return Path(config["user_data_dir"]) / "candle_feed_state.json"
