"""Who fetches which history for whom, and what takes whose place."""

import pytest

from runbook_lib.freqtrade.history import (
    BRIDGED,
    FOLDER,
    Choice,
    Folder,
    Kept,
    Need,
    Share,
    choose,
    late,
    owner,
    seconds_of,
    shares,
)

FEATHER, JSON = Folder("user_data/data/binance", "feather"), Folder("user_data/data/binance", "json")
PRODUCED = {"73": ["A/USDT", "B/USDT"], "108": ["C/USDT"]}


def need(*pairs: str, timeframes: tuple[str, ...] = ("5m",), days: float = 2, folder: Folder = FEATHER) -> Need:
    return Need(pairs, timeframes, int(days * 86_400), folder)


@pytest.mark.parametrize(("seconds", "days"), [(1, 2), (86_400, 2), (86_401, 3), (0, 1)])
def test_it_is_fetched_a_day_further_back_than_needed(seconds: int, days: int) -> None:
    assert Need(("A/USDT",), ("5m",), seconds, FEATHER).days == days


def test_patterns_of_pairs_mean_what_is_produced_and_correlated_pairs_stay() -> None:
    known = [pair for pairs in PRODUCED.values() for pair in pairs]
    assert need(".*/USDT", "X/USDT").among(known).pairs == ("A/USDT", "B/USDT", "C/USDT", "X/USDT")
    assert need("(A|C)/USDT", "A/USDT").among(known).pairs == ("A/USDT", "C/USDT")
    assert need("(D|E)/USDT").among(known).pairs == ()
    assert need("a/usdt").among(known).pairs == ("A/USDT",)


def test_each_pair_is_fetched_once_by_its_producer_for_all_consumers() -> None:
    needs = [need("A/USDT", "C/USDT"), need("B/USDT", "A/USDT", "X/USDT", timeframes=("1h", "5m"), days=9)]
    folder = Folder(FOLDER, "feather")
    assert shares(needs, PRODUCED) == {
        "73": (Share(("A/USDT", "B/USDT", "X/USDT"), ("5m", "1h"), 10, folder),),
        "108": (Share(("C/USDT",), ("5m", "1h"), 10, folder),),
    }
    assert (owner("C/USDT", PRODUCED), owner("X/USDT", PRODUCED)) == ("108", "73")


def test_each_format_is_fetched_apart_and_who_has_no_pair_fetches_nothing() -> None:
    found = shares([need("A/USDT"), need("A/USDT", folder=JSON)], PRODUCED)
    assert {host: [share.folder.format for share in mine] for host, mine in found.items()} == {
        "73": ["feather", "json"]
    }
    assert shares([], PRODUCED) == {}


NONE, THEIRS = Kept("f", 0, 0, 0), Kept("f", 100, 200, 11)


@pytest.mark.parametrize(
    ("ours", "theirs", "choice"),
    [
        (NONE, NONE, "leave"),
        (NONE, THEIRS, "take"),
        (THEIRS, NONE, "leave"),
        (THEIRS, THEIRS, "leave"),
        (Kept("f", 110, 190, 9), THEIRS, "take"),
        (Kept("f", 100, 190, 10), THEIRS, "take"),
        (Kept("f", 110, 210, 11), THEIRS, "leave"),  # newer, as after its start
        (Kept("f", 50, 210, 17), THEIRS, "leave"),
        (Kept("f", 50, 150, 11), THEIRS, "join"),  # an operator's long history is kept
        (Kept("f", 50, 100, 6), THEIRS, "join"),
        (Kept("f", 50, 90, 5), THEIRS, "leave"),  # a hole between them would stay for ever
    ],
)
def test_nothing_of_the_operators_is_lost(ours: Kept, theirs: Kept, choice: Choice) -> None:
    assert choose(ours, theirs) == choice


def test_what_ends_a_page_ago_is_too_late_for_the_feed() -> None:
    now, step = 1e12, 300_000
    assert late(NONE, "5m", now)
    assert not late(Kept("f", 0, int(now - BRIDGED * step), 9), "5m", now)
    assert late(Kept("f", 0, int(now - BRIDGED * step) - 1, 9), "5m", now)


def test_a_timeframe_has_its_length() -> None:
    assert [seconds_of(each) for each in ("1m", "15m", "4h", "1d", "1w")] == [60, 900, 14_400, 86_400, 604_800]
