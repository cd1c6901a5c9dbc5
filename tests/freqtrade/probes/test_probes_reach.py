import socket
from typing import Any

import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade.probes.reach import Reach, reach


def _free_port() -> int:
    with socket.create_server(("127.0.5.1", 0)) as tried:
        return int(tried.getsockname()[1])


def test_before_a_service_listens_the_producer_answers_itself(here: Any) -> None:
    ways = reach(here, {"75": here, "120": here}, address="127.0.5.1", port=_free_port(), times=3)
    assert set(ways) == {"75", "120"}
    for way in ways.values():
        assert way.error == ""
        assert len(way.connect_ms) == len(way.echo_ms) == 3
        assert 0 < min(way.connect_ms) <= (way.p50_ms or 0) <= (way.p95_ms or 0) <= max(way.connect_ms)
        assert min(way.echo_ms) > 0


def test_while_a_service_listens_only_connects_are_measured(here: Any) -> None:
    with socket.create_server(("127.0.5.1", 0)) as service:
        port = service.getsockname()[1]
        (way,) = reach(here, {"75": here}, address="127.0.5.1", port=port, times=4).values()
    assert (len(way.connect_ms), way.echo_ms, way.error) == (4, (), "")


def test_a_port_that_cannot_be_reached_is_an_error_in_words(here: Any) -> None:
    class Elsewhere:
        """A producer that says its port is taken, although nobody can connect there."""

        name = "73"

        def python(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"free": False, "taken": True, "served": 0, "error": ""}

    (way,) = reach(Elsewhere(), {"75": here}, address="127.0.5.1", port=_free_port(), times=3).values()
    assert (way.consumer, way.producer, way.error) == ("75", "73", "Connection refused")
    assert way.p50_ms is None
    assert way.p95_ms is None


def test_an_address_that_the_producer_does_not_have_is_refused(here: Any) -> None:
    with pytest.raises(CommandFailed, match=r"here: cannot listen on 192\.0\.2\.1:8080"):
        reach(here, {"75": here}, address="192.0.2.1", port=8080)


def test_quantiles() -> None:
    way = Reach("75", "73", tuple(float(ms) for ms in range(1, 101)), ())
    assert way.p50_ms == 50.5
    assert way.p95_ms == pytest.approx(95.05)
    assert Reach("75", "73", (2.0,), ()).p95_ms == 2.0
