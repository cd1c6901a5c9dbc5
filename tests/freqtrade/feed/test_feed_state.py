import itertools
import json
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.feed.candle.series import Key
from runbook_lib.freqtrade.feed.candle.times import window
from runbook_lib.freqtrade.feed.reasons import Reason
from runbook_lib.freqtrade.feed.state import EVENTS, FeedState, Role

STEP = 60_000
FORMING = 1_000 * STEP
WINDOW = window(now=FORMING / 1000 + 3, step=STEP, since=None, limit=10)
BTC = Key("BTC/USDT", "1m", "spot")
ETH = Key("ETH/USDT", "1m", "spot")


class Kept:
    def __init__(self, path: Path, role: Role = "consumer") -> None:
        self.now = FORMING / 1000 + 3.25
        self.file = path / "state.json"
        self.state = FeedState(self.file, role, "bot-75", clock=lambda: self.now)

    def serve(self, waited: float = 0.0) -> None:
        self.state.serve(BTC, WINDOW, "first", waited)

    def turn(self) -> str:
        self.now += 60
        self.state.turn()
        return str(self.read()["state"])

    def read(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))

    def metrics(self) -> dict[str, float]:
        lines = [line for line in self.file.with_suffix(".prom").read_text().splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


@pytest.fixture
def producer(tmp_path: Path) -> Kept:
    return Kept(tmp_path, "producer")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().removeprefix("Candle feed: ") for record in caplog.records]


def test_counts_what_was_served_and_when_it_arrived(kept: Kept) -> None:
    kept.serve()
    kept.serve(waited=4.5)
    kept.turn()
    found = kept.read()
    assert (found["format"], found["role"], found["name"]) == (2, "consumer", "bot-75")
    assert (found["served"], found["waited"], found["longest_wait_seconds"]) == (2, 1, 4.5)
    assert found["served_by_producer"] == {"first": 2}
    assert found["newest_candle_ms"] == {"BTC/USDT 1m": FORMING - STEP}
    assert found["age_at_arrival_seconds"] == {"BTC/USDT 1m": 3.25}
    assert found["state"] == "serving"


def test_a_line_when_the_state_changes_and_none_per_candle(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(5):
        kept.serve()
        kept.turn()
    for _ in range(5):
        kept.state.fall_back(ETH, Reason.DEAD)
        kept.turn()
    kept.turn()
    kept.serve()
    kept.turn()
    lines = said(caplog)
    assert [line.split(": ")[0] for line in lines] == [
        "starting -> serving",
        "serving -> fallback",
        "fallback -> serving",
    ]
    assert "ETH/USDT 1m" in lines[1]
    assert Reason.DEAD in lines[1]
    assert [event["what"] for event in kept.read()["events"]] == lines


def test_a_new_reason_is_a_change(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    for reason in (Reason.DEAD, Reason.LATE):
        kept.state.fall_back(ETH, reason)
        kept.turn()
    assert len(caplog.records) == 2
    assert kept.read()["fallbacks"] == {str(Reason.DEAD): 1, str(Reason.LATE): 1}


def test_the_exchanges_answers_move_the_newest_closed_candle_only(kept: Kept) -> None:
    kept.state.own(BTC, [[FORMING - STEP, 1.0], [FORMING, 1.0]], WINDOW)
    kept.state.own("BTC/USDT 1w", [[FORMING, 1.0]], None)
    kept.turn()
    assert kept.read()["newest_candle_ms"] == {"BTC/USDT 1m": FORMING - STEP}


def test_only_what_was_sent_to_the_exchange_counts_as_a_request(kept: Kept) -> None:
    kept.state.own(BTC, [], WINDOW)
    kept.state.sent()
    kept.state.sent()
    kept.turn()
    assert kept.read()["own_requests"] == 2


def test_what_a_producer_keeps_is_told_however_it_came(producer: Kept) -> None:
    producer.state.keep(BTC, [[FORMING - 2 * STEP, 1.0], [FORMING - STEP, 1.0]])
    assert producer.turn() == "serving"
    assert producer.read()["newest_candle_ms"] == {"BTC/USDT 1m": FORMING - STEP}
    assert producer.read()["age_at_arrival_seconds"] == {"BTC/USDT 1m": 3.25}


def test_a_series_that_has_left_the_bots_list_leaves_the_file(kept: Kept) -> None:
    kept.state.serve(BTC, WINDOW, "first", 0.0)
    kept.state.serve(ETH, WINDOW, "first", 0.0)
    for _ in range(20):
        kept.state.fall_back(ETH, Reason.DEAD)
        kept.turn()
    assert kept.read()["newest_candle_ms"] == {"ETH/USDT 1m": FORMING - STEP}
    assert kept.read()["age_at_arrival_seconds"] == {"ETH/USDT 1m": 3.25}
    for _ in range(20):
        kept.state.want([ETH])
        kept.turn()
    assert kept.read()["newest_candle_ms"] == {"ETH/USDT 1m": FORMING - STEP}


def test_corrections_are_counted_and_said_once_a_series(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    for key, candles in ((BTC, 2), (BTC, 1), (ETH, 1), (ETH, 0), (Key("XRP/USDT", "1m", "spot"), 0)):
        kept.state.correct(key, candles)
    words = "corrected: the exchange revised a candle after it had settled"
    assert said(caplog) == [f"BTC/USDT 1m: {words}", f"ETH/USDT 1m: {words}"]
    kept.turn()
    assert kept.read()["corrected"] == 4
    assert kept.metrics()['candle_feed_corrected_total{bot="bot-75",role="consumer"}'] == 4


def test_a_producer_s_standing_is_said_when_it_changes(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for round_trip in (3.0, 2.0):
        kept.state.link("first", "alive", round_trip_ms=round_trip)
    begun = kept.now
    kept.now += 5
    for why in ("connection refused", "no answer in 3 s"):  # it may read differently at every try
        kept.state.link("first", "dead", why)
    for why in ("wrong token", "wrong token", "freqtrade 2026.7"):
        kept.state.link("second", "refused", why)
    kept.turn()
    assert said(caplog) == [
        "first: unknown -> alive",
        "first: alive -> dead: connection refused",
        "second: unknown -> refused: wrong token",
        "second: refused -> refused: freqtrade 2026.7",
    ]
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "WARNING", "ERROR", "ERROR"]
    assert kept.read()["producers"]["first"] == {
        "state": "dead",
        "why": "no answer in 3 s",
        "since": begun + 5,
        "round_trip_ms": 2.0,
    }


def test_a_takeover_is_told_at_its_start_and_at_its_end(producer: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    producer.state.own(BTC, [], WINDOW)
    assert producer.turn() == "serving"
    begun = producer.now
    producer.state.take_over("other", 1, 1)
    producer.state.take_over("other", 55, 55)
    assert producer.turn() == "takeover"
    assert producer.read()["takeover"] == {"other": {"since": begun, "pairs": 55, "requests": 55}}
    for requests in (110, 165):
        producer.state.take_over("other", 55, requests)
        assert producer.turn() == "takeover"
    producer.state.give_back("other")
    producer.state.give_back("other")
    assert producer.turn() == "serving"
    assert producer.read()["takeover"] == {}
    assert [line.split(": ", 1)[0] for line in said(caplog)] == [
        "starting -> serving",
        "takes over from other",
        "serving -> takeover",
        "gives back to other",
        "takeover -> serving",
    ]
    assert "55 pairs, 165 requests" in said(caplog)[3]
    assert producer.read()["events"][1] == {"at": begun, "what": "takes over from other"}


def test_a_producer_that_downloads_for_itself_does_not_fall_back(producer: Kept) -> None:
    producer.state.fall_back(BTC, Reason.MISSING)
    producer.state.own(BTC, [], WINDOW)
    assert producer.turn() == "serving"
    assert producer.read()["fallbacks"] == {str(Reason.MISSING): 1}


def test_an_open_breaker_blocks_whoever_needs_the_exchange(tmp_path: Path) -> None:
    consumer, producer = Kept(tmp_path), Kept(tmp_path, "producer")
    for kept in (consumer, producer):
        kept.state.guard("open", kept.now + 90, "429 from the exchange", 1100)
    consumer.serve()
    assert consumer.turn() == "serving"
    consumer.state.fall_back(BTC, Reason.DEAD)
    assert consumer.turn() == "blocked"
    assert producer.turn() == "blocked"
    found = producer.read()
    assert (found["breaker"]["state"], found["breaker"]["reason"]) == ("open", "429 from the exchange")
    assert found["weight_used"] == 1100
    producer.state.guard("closed", 0.0, "", 1100)
    assert producer.turn() == "serving"


def test_a_probe_refused_again_and_again_writes_no_line(producer: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for state in ("open", "half-open", "open", "half-open", "closed"):
        producer.state.guard(state, 0.0, "418", 0)
    assert [line.split(": ")[1] for line in said(caplog)] == ["closed -> open", "half-open -> closed"]
    producer.turn()
    assert len(producer.read()["events"]) == 5  # the timeline has them all


def test_the_last_events_are_kept(kept: Kept) -> None:
    for number in range(EVENTS + 10):
        kept.state.link("first", "dead" if number % 2 else "alive")
    kept.turn()
    assert len(kept.read()["events"]) == EVENTS


def test_written_at_most_once_a_second_and_never_torn(kept: Kept) -> None:
    kept.serve()
    kept.state.write()
    kept.serve()
    kept.now += 0.9
    kept.state.write()
    assert kept.read()["served"] == 1
    kept.now += 0.2
    kept.state.write()
    assert kept.read()["served"] == 2
    assert sorted(path.name for path in kept.file.parent.iterdir()) == ["state.json", "state.prom"]


def test_a_clock_that_is_set_back_does_not_keep_it_from_writing(kept: Kept) -> None:
    kept.serve()
    kept.state.write()
    kept.serve()
    kept.now -= 3_600
    kept.state.write()
    assert kept.read()["served"] == 2
    assert kept.metrics()['candle_feed_served_total{bot="bot-75",role="consumer"}'] == 2


def test_how_the_exchange_stands_takes_no_rounds_place_in_the_file(kept: Kept) -> None:
    kept.state.guard("closed", 0.0, "", 40)
    assert not kept.file.exists()
    kept.serve()
    assert kept.turn() == "serving"
    assert kept.read()["weight_used"] == 40
    kept.now += 60
    kept.state.guard("open", kept.now + 90, "429 from the exchange", 40)
    assert kept.read()["breaker"]["state"] == "open", "this is told at once"


def test_where_nobody_asks_the_exchange_is_not_left_alone_for_ever(kept: Kept) -> None:
    for state, left_alone in (("open", 1), ("half-open", 0), ("closed", 0)):
        kept.state.guard(state, 0.0, "418", 0)
        kept.turn()
        assert kept.metrics()['candle_feed_breaker_open{bot="bot-75",role="consumer"}'] == left_alone


def test_what_is_told_outside_a_round_is_written_too(kept: Kept) -> None:
    kept.state.link("first", "dead")
    assert kept.read()["producers"]["first"]["state"] == "dead"


def test_a_full_disk_stops_nobody(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "missing")
    kept.serve()
    kept.state.turn()
    assert kept.state.as_json()["served"] == 1
    (tmp_path / "missing").mkdir()
    kept.turn()
    assert kept.read()["served"] == 1  # nothing is lost with what could not be written


def test_a_second_bot_in_one_folder_is_told_what_to_do(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.turn()
    for name, after in (("bot-75", 1.0), ("bot-76", 3600.0)):
        FeedState(kept.file, "consumer", name, clock=lambda after=after: kept.now + after)  # type: ignore[misc]
    assert not caplog.records, "it was started anew, or under another name a while later"
    other = FeedState(kept.file, "producer", "bot-76", clock=lambda: kept.now + 4)
    words = f"{kept.file} can tell of one bot only: start each of them with a --userdir of its own"
    assert said(caplog) == [f"bot-75 and bot-76 write one file: {words}"]
    assert caplog.records[0].levelname == "ERROR"
    assert [event["what"] for event in json.loads(json.dumps(other.as_json()["events"]))] == said(caplog)


def test_threads_neither_meet_nor_tear_the_file(tmp_path: Path) -> None:
    file, now, inside, met, torn = tmp_path / "state.json", itertools.count(FORMING / 1000, 1.1), [0], [0], [0]
    done = threading.Event()

    def clock() -> float:
        inside[0] += 1
        met[0] = max(met[0], inside[0])
        time.sleep(0)  # let another thread in, if anything does
        inside[0] -= 1
        return next(now)

    state = FeedState(file, "consumer", "bot-75", clock)

    def read() -> None:
        while not done.is_set():
            try:
                json.loads(file.read_text() if file.exists() else "{}")
            except ValueError:
                torn[0] += 1

    def work(number: int) -> None:
        for turn in range(50):
            state.serve(f"{number} {turn}", WINDOW, "first", 0.0)
            state.own(f"{number} {turn}", [[FORMING - STEP, 1.0]], WINDOW)
            state.sent()
            state.link(f"{number} {turn}", "alive")
            state.turn()

    reader, workers = threading.Thread(target=read), [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in (reader, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    reader.join()
    assert (met, torn) == ([1], [0])
    assert (state.as_json()["served"], state.as_json()["own_requests"]) == (150, 150)


def test_the_same_stands_in_prometheus_own_format(kept: Kept) -> None:
    kept.serve(waited=1.5)
    kept.state.fall_back(ETH, Reason.DEAD)
    kept.state.link("first", "alive")
    kept.state.link('se"cond\\', "dead")
    kept.state.take_over("second", 55, 3)
    kept.state.guard("open", 0.0, "", 42)
    kept.turn()
    found, bot = kept.metrics(), 'bot="bot-75",role="consumer"'
    assert found[f"candle_feed_served_total{{{bot}}}"] == 1
    assert found[f"candle_feed_longest_wait_seconds{{{bot}}}"] == 1.5
    assert found[f'candle_feed_fallbacks_total{{{bot},reason="{Reason.DEAD}"}}'] == 1
    assert found[f'candle_feed_producer_up{{{bot},producer="first"}}'] == 1
    assert found[f'candle_feed_producer_up{{{bot},producer="se\\"cond\\\\"}}'] == 0
    assert found[f'candle_feed_takeover_pairs{{{bot},producer="second"}}'] == 55
    assert found[f"candle_feed_breaker_open{{{bot}}}"] == 1
    assert found[f"candle_feed_weight_used{{{bot}}}"] == 42
    series = f'{bot},pair="BTC/USDT",timeframe="1m"'
    assert found[f"candle_feed_newest_candle_timestamp_seconds{{{series}}}"] == (FORMING - STEP) / 1000
    assert found[f"candle_feed_age_at_arrival_seconds{{{series}}}"] == 3.25
    states = {key: value for key, value in found.items() if key.startswith("candle_feed_state{")}
    assert [key for key, value in states.items() if value] == [f'candle_feed_state{{{bot},state="blocked"}}']


def test_every_metric_is_announced_once_and_named_by_the_rules(kept: Kept) -> None:
    kept.serve()
    kept.turn()
    text = kept.file.with_suffix(".prom").read_text()
    assert text.endswith("\n")
    announced = re.findall(r"^# TYPE (candle_feed_[a-z_]+) (counter|gauge)$", text, re.MULTILINE)
    helped = re.findall(r"^# HELP (candle_feed_[a-z_]+) [A-Z1].+\.$", text, re.MULTILINE)
    assert helped == [name for name, _ in announced]
    assert len(set(helped)) == len(helped)
    assert all(name.endswith("_total") is (kind == "counter") for name, kind in announced)
    sample = re.compile(r'candle_feed_[a-z_]+\{([a-z]+="[^"]*",?)+\} -?[0-9.e+]+')
    assert all(sample.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
