import http.server
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from runbook_lib.freqtrade.probes.weight import WeightSample, WeightSeries, parse_weight, weight, weight_series


class Exchange(http.server.BaseHTTPRequestHandler):
    """Counts pings and refuses from the fourth on."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(418 if len(self.asked) > 3 else 200)
        self.send_header("x-mbx-used-weight-1m", str(40 + len(self.asked)))
        if len(self.asked) > 3:
            self.send_header("Retry-After", "120")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Exchange.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.5.1", 0), Exchange) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.5.1:{server.server_port}/api/v3"
        server.shutdown()
        thread.join()


def test_one_look_is_one_ping(here: Any, url: str) -> None:
    sample = weight(here, url)
    assert Exchange.asked == ["/api/v3/ping"]
    assert (sample.status, sample.weight, sample.retry_after, sample.error) == (200, 41, None, "")
    assert sample.unix > 1.7e9


def test_a_series_stops_at_the_first_refusal(here: Any, url: str) -> None:
    series = weight_series(here, url, seconds=30, every=0.01)
    assert [sample.status for sample in series.samples] == [200, 200, 200, 418]
    assert len(Exchange.asked) == 4
    assert (series.host, series.peak, series.cost, series.refused) == ("here", 44, 4, 418)
    assert series.samples[-1].retry_after == 120


def test_a_series_ends_in_time(here: Any, url: str) -> None:
    series = weight_series(here, url, seconds=0.5, every=0.2)
    assert 2 <= len(series.samples) <= 3


def test_no_answer_is_an_error_in_words(here: Any) -> None:
    sample = weight(here, "http://127.0.5.1:9/api/v3")
    assert (sample.status, sample.weight) == (0, None)
    assert "refused" in sample.error
    assert WeightSeries("75", (sample,)).cost == 0


def test_a_header_that_is_no_number_says_nothing() -> None:
    answer = {"unix": 1.0, "status": 429, "weight": None, "retry_after": "Fri, 31 Dec 1999 23:59:59 GMT", "error": ""}
    series = parse_weight("75", {"samples": [answer]})
    assert series.samples == (WeightSample(1.0, 429, None),)
    assert (series.peak, series.refused) == (None, 429)
