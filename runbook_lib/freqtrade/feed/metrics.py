"""The feed's state in Prometheus' text format, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

STATES = ("starting", "serving", "fallback", "blocked", "takeover")

Labels = dict[str, str]
Samples = Iterator[tuple[Labels, float]]


def text(state: Mapping[str, Any]) -> str:
    """Write ``state``, as ``FeedState.as_json`` gives it, as metrics; every one of them names the bot and its role."""
    bot = {"bot": state["name"], "role": state["role"]}
    lines: list[str] = []
    for name, kind, meaning, samples in _metrics(state):
        lines += [f"# HELP candle_feed_{name} {meaning}", f"# TYPE candle_feed_{name} {kind}"]
        lines += [f"candle_feed_{name}{{{_labels(bot | labels)}}} {value!r}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _metrics(state: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Samples]]:
    counter, gauge = "counter", "gauge"
    yield "started_timestamp_seconds", gauge, "When the feed of this bot started.", _one(state["started"])
    yield "written_timestamp_seconds", gauge, "When this was written.", _one(state["written"])
    now = ((each, float(each == state["state"])) for each in STATES)
    yield "state", gauge, "1 for the state that the feed is in.", _by("state", now)
    yield "served_total", counter, "Candle requests answered from producers.", _one(state["served"])
    yield "waited_total", counter, "Requests among them that had to wait.", _one(state["waited"])
    yield "longest_wait_seconds", gauge, "The longest of these waits.", _one(state["longest_wait_seconds"])
    yield "own_requests_total", counter, "Candle requests made to the exchange.", _one(state["own_requests"])
    yield "corrected_total", counter, "Candles revised when the bot held them.", _one(state["corrected"])
    fallbacks = state["fallbacks"].items()
    yield "fallbacks_total", counter, "Requests that no producer could answer.", _by("reason", fallbacks)
    served = state["served_by_producer"].items()
    yield "served_by_producer_total", counter, "Requests answered, by producer.", _by("producer", served)
    up = ((name, float(link["state"] == "alive")) for name, link in state["producers"].items())
    yield "producer_up", gauge, "1 if the producer answers and is believed.", _by("producer", up)
    taken = ((name, takeover["pairs"]) for name, takeover in state["takeover"].items())
    yield "takeover_pairs", gauge, "Pairs downloaded in a producer's place.", _by("producer", taken)
    left_alone = state["breaker"]["state"] == "open"  # half-open it stays where nobody has anything to ask
    yield "breaker_open", gauge, "1 while the exchange is left alone.", _one(float(left_alone))
    yield "weight_used", gauge, "Request weight of the last minute.", _one(state["weight_used"])
    newest = ((key, at / 1000) for key, at in state["newest_candle_ms"].items())
    yield "newest_candle_timestamp_seconds", gauge, "Open of the newest closed candle.", _series(newest)
    ages = state["age_at_arrival_seconds"].items()
    yield "age_at_arrival_seconds", gauge, "How long after its close it arrived.", _series(ages)


def _one(value: float) -> Samples:
    yield {}, value


def _by(label: str, values: Any) -> Samples:  # noqa: ANN401 - items of a dictionary read from JSON
    for name, value in values:
        yield {label: name}, value


def _series(values: Any) -> Samples:  # noqa: ANN401 - as above
    for key, value in values:
        pair, _, timeframe = key.rpartition(" ")
        yield {"pair": pair, "timeframe": timeframe}, value


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
