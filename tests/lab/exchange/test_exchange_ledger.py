from runbook_lib.lab.exchange.ledger import Entry, Ledger, plain


def entry(time_ms: int, source: str = "73", endpoint: str = "klines", status: int = 200, interval: str = "1m") -> Entry:
    return Entry(time_ms, source, endpoint, "AUSDT", interval, status, 2, 4)


def test_counts_are_by_source_and_period() -> None:
    ledger = Ledger(["73", "75"])
    for moment in (59_999, 60_000, 119_999, 120_000):
        ledger.add(entry(moment))
    ledger.add(entry(61_000, "75", "time", 429, ""))
    counts = ledger.counts(60_000, 120_000)
    assert counts["73"]["requests"] == {"klines": 2}
    assert counts["73"]["klines_by_interval"] == {"1m": 2}
    assert counts["73"]["weight_by_minute"] == {"1": 4}
    assert counts["75"]["statuses"] == {"429": 1}
    assert counts["75"]["klines_by_interval"] == {}
    assert ledger.counts()["73"]["weight_by_minute"] == {"0": 2, "1": 4, "2": 2}


def test_a_source_that_asked_for_nothing_is_there_with_nothing() -> None:
    assert Ledger(["73"]).counts()["73"]["requests"] == {}


def test_entries_are_by_source_and_period() -> None:
    ledger = Ledger(["73", "75"])
    ledger.add(entry(1))
    ledger.add(entry(2, "75"))
    ledger.add(entry(3))
    assert [e.time_ms for e in ledger.entries(source="73")] == [1, 3]
    assert [e.time_ms for e in ledger.entries(since_ms=2, until_ms=3)] == [2]
    assert plain(ledger.entries(until_ms=2)) == [
        {
            "time_ms": 1,
            "source": "73",
            "endpoint": "klines",
            "symbol": "AUSDT",
            "interval": "1m",
            "status": 200,
            "weight": 2,
            "used": 4,
        }
    ]


def test_only_the_newest_entries_are_kept() -> None:
    ledger = Ledger(["73"], keep=3)
    for moment in range(10):
        ledger.add(entry(moment))
    assert [e.time_ms for e in ledger.entries()] == [7, 8, 9]


def test_streams_are_counted_once_each() -> None:
    ledger = Ledger(["73"])
    ledger.streams["73"].subscribed.update(["a@kline_1m", "a@kline_1m", "b@kline_1m"])
    assert ledger.counts()["73"]["streams"] == 2
