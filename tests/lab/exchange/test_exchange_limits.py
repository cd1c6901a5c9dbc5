import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.lab.exchange.limits import FIRST_BAN_SECONDS, LONGEST_BAN_SECONDS, PATIENCE, Admission, Limiter, weight


class Clock:
    def __init__(self) -> None:
        self.now = 600_000_000.0 * 60 + 15

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("endpoint", "query", "expected"),
    [
        ("klines", {"symbol": "A", "limit": "1000"}, 2),
        ("exchangeInfo", {}, 20),
        ("ping", {}, 1),
        ("time", {}, 1),
        ("ticker/24hr", {"symbol": "A"}, 2),
        ("ticker/24hr", {}, 80),
        ("ticker/bookTicker", {"symbol": "A"}, 2),
        ("ticker/bookTicker", {}, 4),
        ("ticker/price", {}, 4),
        ("depth", {"symbol": "A"}, 5),
        ("depth", {"symbol": "A", "limit": "100"}, 5),
        ("depth", {"symbol": "A", "limit": "500"}, 25),
        ("depth", {"symbol": "A", "limit": "1000"}, 50),
        ("depth", {"symbol": "A", "limit": "5000"}, 250),
        ("depth", {"symbol": "A", "limit": "many"}, 5),
        ("fapi/exchangeInfo", {}, 0),
    ],
)
def test_weights_are_binances(endpoint: str, query: dict[str, str], expected: int) -> None:
    assert weight(endpoint, query) == expected


@given(st.lists(st.integers(1, 50), max_size=40))
def test_used_weight_is_the_sum_of_the_minute(costs: list[int]) -> None:
    limiter = Limiter(10_000, Clock())
    assert [limiter.admit("a", cost).used for cost in costs] == [sum(costs[: i + 1]) for i in range(len(costs))]


def test_the_limit_itself_is_allowed_and_the_next_request_is_not() -> None:
    clock = Clock()
    limiter = Limiter(10, clock)
    assert limiter.admit("a", 10).status == 200
    refused = limiter.admit("a", 1)
    assert (refused.status, refused.used, refused.retry_after) == (429, 11, 45)
    assert limiter.admit("b", 10).status == 200  # another source has an account of its own


def test_a_new_minute_forgives() -> None:
    clock = Clock()
    limiter = Limiter(10, clock)
    limiter.admit("a", 11)
    clock.now += 45
    assert limiter.admit("a", 1) == Admission(200, charged=1, used=1)


def test_going_on_regardless_is_banned_for_longer_each_time() -> None:
    clock = Clock()
    limiter = Limiter(10, clock)
    expected = FIRST_BAN_SECONDS
    for _ in range(20):
        statuses = [limiter.admit("a", 11).status for _ in range(PATIENCE)]
        assert statuses == [429] * PATIENCE
        ban = limiter.admit("a", 11)
        assert (ban.status, ban.retry_after) == (418, expected)
        clock.now += expected - 1
        assert limiter.admit("a", 1).status == 418
        assert limiter.admit("a", 1).retry_after == 1
        assert limiter.admit("b", 1).status == 200
        clock.now += 1 + (60 - clock.now % 60)
        expected = min(2 * expected, LONGEST_BAN_SECONDS)
    assert expected == LONGEST_BAN_SECONDS
