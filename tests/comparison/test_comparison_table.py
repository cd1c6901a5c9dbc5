from __future__ import annotations

import json
from dataclasses import replace

from comparison_table import Column, document, markdown
from measuring import Measured, Outage

FED = Measured(
    candles=2,
    requests={"73": 110, "108": 110, "75": 0, "120": 0},
    weight_peak={"73": 110, "108": 112, "75": 0},
    rejected=0,
    ages=[4.0, 5.0, 6.0],
    late=1,
    cells=1_000_000,
    differing=0,
    missing=2,
    processor_seconds={"75": 3.0, "120": 3.0, "73": 1.0, "108": 1.0},
    memory_bytes={"75": 400_000_000, "120": 400_000_000, "73": 300_000_000, "108": 100_000_000},
    memory_kind="PSS",
    shared=["73", "108"],
    load=0.5,
    outages=[
        Outage("one producer", {"75": 0, "120": 0}, [7.0, 7.0], {}),
        Outage("all 2 producers", {"75": 3, "120": 0}, [8.0], {}),
    ],
)


def told(figures: Measured) -> dict[str, str]:
    """Return the one column of a table: what -> value."""
    lines = markdown({"fed": Column("fed", figures)}, ["a note"]).splitlines()
    assert lines[-1] == "a note"
    return {what.strip(): value.strip() for _, what, value, _ in (line.split("|") for line in lines[2:-2])}


def test_figures_are_per_candle_and_over_the_whole_fleet() -> None:
    table = told(FED)
    assert table["candle requests per candle, whole fleet"] == "110"
    assert table["request weight in the busiest minute, busiest source"] == "112"
    assert table["a candle's close until a bot has analysed it, p50 / p95"] == "5.0 / 5.9 s"
    assert table["candles that a bot did not have 40 s after their close"] == "1"
    assert table["cells that differ from the exchange's settled values"] == "0 of 1,000,000"
    assert table["candles missing"] == "2"
    assert table["processor time per candle, whole fleet"] == "4.0 s"
    assert table["memory, whole fleet"] == "1,200 MB"


def test_the_shared_part_is_told_apart() -> None:
    table = told(FED)
    assert table["processor time per candle, of which shared"] == "1.0 s"
    assert table["memory, of which shared"] == "400 MB"
    alone = told(replace(FED, shared=[], outages=[]))
    assert alone["processor time per candle, of which shared"] == alone["memory, of which shared"] == "—"
    assert alone["what is shared dies for a candle: bots that miss it"] == "nothing is shared"


def test_an_outage_tells_who_missed_the_candle_and_how_late_it_was_for_the_others() -> None:
    words = told(FED)["what is shared dies for a candle: bots that miss it"]
    assert words == "one producer: 0 of 2, age 7.0 / 7.0 s; all 2 producers: 1 of 2, the others' age 8.0 / 8.0 s"


def test_nothing_is_made_up_where_no_candle_arrived() -> None:
    silent = told(replace(FED, ages=[], outages=[Outage("nginx", {"75": 4}, [], {})]))
    assert silent["a candle's close until a bot has analysed it, p50 / p95"] == "—"
    assert silent["what is shared dies for a candle: bots that miss it"] == "nginx: 1 of 1"


def test_the_json_holds_every_age_and_outage() -> None:
    written = json.loads(document({"fed": Column("fed", FED)}, ["a note"], {"candles": 2}))
    assert written["settings"] == {"candles": 2}
    assert written["notes"] == ["a note"]
    assert written["fleets"]["fed"]["ages"] == FED.ages
    assert written["fleets"]["fed"]["outages"][1]["missed"] == {"75": 3, "120": 0}
