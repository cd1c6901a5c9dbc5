from typing import Any

import pytest

from runbook_lib.lab.exchange.faults import Faults


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def faults(clock: Clock) -> Faults:
    return Faults(("73", "75"), clock)


def test_a_fault_hits_its_source_and_endpoint_only(faults: Faults) -> None:
    fault = faults.add({"source": "73", "endpoint": "klines", "status": 403})
    assert faults.hit("73", "klines") is fault
    assert faults.hit("75", "klines") is None
    assert faults.hit("73", "time") is None


def test_a_star_hits_everything(faults: Faults) -> None:
    faults.add({"status": 500})
    assert faults.hit("73", "klines")
    assert faults.hit("75", "stream")


def test_count_is_how_often_it_hits(faults: Faults) -> None:
    faults.add({"status": 429, "retry_after": 7, "count": 2})
    hits = [faults.hit("73", "klines") for _ in range(3)]
    assert [fault is not None for fault in hits] == [True, True, False]
    assert faults.active() == []


def test_seconds_is_how_long_it_lasts(faults: Faults, clock: Clock) -> None:
    faults.add({"drop": True, "seconds": 5})
    clock.now += 4.9
    assert faults.hit("73", "klines")
    clock.now += 0.1
    assert faults.hit("73", "klines") is None


def test_the_oldest_fault_goes_first_and_clear_ends_all(faults: Faults) -> None:
    first = faults.add({"delay_seconds": 0.5})
    second = faults.add({"status": 418})
    assert first.id != second.id
    assert faults.hit("73", "klines") is first
    assert faults.clear() == 2
    assert faults.hit("73", "klines") is None


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({}, "needs a status"),
        ({"status": 200}, "no fault"),
        ({"status": 403, "sourec": "73"}, "unknown keys: sourec"),
        ({"status": 403, "source": "99"}, "unknown source 99"),
        ({"status": "teapot"}, "teapot"),
        ({"status": 403, "count": 0}, "count 0"),
        ({"status": 403, "seconds": -1}, "seconds -1"),
        ({"delay_seconds": -1}, "delay_seconds -1"),
    ],
)
def test_a_senseless_fault_is_refused_in_words(faults: Faults, wish: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        faults.add(wish)
    assert faults.active() == []
