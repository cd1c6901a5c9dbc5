import os
from typing import Any

import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade.probes.request_log import request_counts

T = 1763917200  # a whole minute
BASE = "https://api.binance.com/api/v3"
KLINES = f"{BASE}/klines?interval=5m&limit=1000&symbol=ADAUSDT"


def lines(*calls: tuple[float, str, str]) -> str:
    return "".join(f"{T + when:.3f} GET {status} {url}\n" for when, status, url in calls)


LOG = lines(
    (-1.0, "{'X", KLINES),
    (-0.5, "200", KLINES),  # before
    (0.0, "{'X", KLINES),
    (0.25, "200", KLINES),
    (1.0, "Non", f"{BASE}/exchangeInfo"),
    (1.5, "200", f"{BASE}/exchangeInfo"),
    (1.6, "200", "https://fapi.binance.com/fapi/v1/exchangeInfo"),
    (2.0, "403", KLINES.replace("5m", "1h")),
    (61.0, "429", KLINES),
    (62.0, "200", f"{BASE}/ticker/24hr"),
    (63.0, "{} ", KLINES),  # never answered
    (120.0, "200", KLINES),  # after
)


def test_calls_of_the_time_asked_for_are_counted(here: Any) -> None:
    (here.home / "requests.log").write_text(LOG + "a line torn in the mid")
    counts = request_counts(here, "requests.log", since=T, until=T + 120)
    assert counts.by_endpoint == {"exchangeInfo": 1, "fapi/exchangeInfo": 1, "klines": 3, "ticker/24hr": 1}
    assert counts.by_status == {200: 4, 403: 1, 429: 1}
    klines = {(row.minute - T, row.interval, row.status, row.count) for row in counts.answers if row.interval}
    assert klines == {(0, "5m", 200, 1), (0, "1h", 403, 1), (60, "5m", 429, 1)}
    assert counts.candle_requests == 3
    assert counts.rejected == {403: 1, 429: 1}
    assert counts.asked == {"klines": 2, "exchangeInfo": 1}
    assert (counts.unreadable, counts.oldest, counts.whole) == (1, T - 1.0, True)


def test_a_request_without_an_answer_is_told(here: Any) -> None:
    (here.home / "requests.log").write_text(lines((0, "{'X", KLINES), (1, "{'X", KLINES), (2, "200", KLINES)))
    counts = request_counts(here, "requests.log", since=T, until=T + 60)
    assert counts.unanswered == {"klines": 1}


def test_older_files_belong_to_it_and_a_log_that_begins_later_is_not_whole(here: Any) -> None:
    (here.home / "requests.log.1").write_text(lines((1, "200", KLINES)))
    (here.home / "requests.log").write_text(lines((2, "200", KLINES)))
    counts = request_counts(here, str(here.home / "requests.log"), since=T, until=T + 60)
    assert counts.candle_requests == 2
    assert counts.oldest == T + 1
    assert not counts.whole


def test_a_file_seen_under_two_names_is_counted_once(here: Any) -> None:
    (here.home / "requests.log").write_text(lines((1, "200", KLINES)))
    os.link(here.home / "requests.log", here.home / "requests.log.1")
    assert request_counts(here, "requests.log", since=T, until=T + 60).candle_requests == 1


def test_no_log_is_an_error_and_not_zero_calls(here: Any) -> None:
    with pytest.raises(CommandFailed, match=r"here: no request log at requests\.log"):
        request_counts(here, "requests.log", since=T, until=T + 60)


def test_an_empty_log_counts_nothing_and_is_not_whole(here: Any) -> None:
    (here.home / "requests.log").write_text("")
    counts = request_counts(here, "requests.log", since=T, until=T + 60)
    assert (counts.answers, counts.oldest, counts.whole) == ((), None, False)
