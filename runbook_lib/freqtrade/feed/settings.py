"""What the feed reads from the bot's own config, under the key ``candle_feed``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

CONFIG_KEY = "candle_feed"


@dataclass(frozen=True)
class FeedSettings:
    """Times in seconds.

    ``settle_seconds``: how long after its close the exchange may still revise a candle.
    ``wait_seconds``: how long after that a consumer waits for a producer that lives.
    ``start_seconds``: how long after its own start a consumer waits for a producer's first frames.
    ``poll_seconds``: how often a waiting consumer looks whether the frame has come.
    """

    settle_seconds: float = 2.0
    wait_seconds: float = 20.0
    start_seconds: float = 60.0
    poll_seconds: float = 0.5

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
    """Where a producer's api_server listens, as ``external_message_consumer.producers`` says."""

    name: str
    host: str
    port: int
    secure: bool = False


def producers_of(config: Mapping[str, Any]) -> tuple[ProducerAddress, ...]:
    """Return the producers that this bot listens to; none if its message consumer is off."""
    consumer = config.get("external_message_consumer", {})
    if not consumer.get("enabled", False):
        return ()
    return tuple(
        ProducerAddress(each["name"], each["host"], int(each["port"]), bool(each.get("secure", False)))
        for each in consumer.get("producers", [])
    )


def candle_type_of(config: Mapping[str, Any]) -> str:
    """Return the kind of candles that the bot trades on: spot or futures."""
    return str(config.get("candle_type_def", "spot"))


def state_file(config: Mapping[str, Any]) -> Path:
    """Return where the feed keeps its counters."""
    return Path(config["user_data_dir"]) / "candle_feed_state.json"
