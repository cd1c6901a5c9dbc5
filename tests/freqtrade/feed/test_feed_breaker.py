import errno
import json
import multiprocessing
import random
import stat
import threading
from pathlib import Path

import pytest

from runbook_lib.freqtrade.feed.exchange import breaker as module
from runbook_lib.freqtrade.feed.exchange.breaker import (
    AHEAD_SECONDS,
    JITTER,
    LONGEST_BAN_SECONDS,
    LONGEST_SECONDS,
    PROBE_SECONDS,
    SILENCE_SECONDS,
    SILENT,
    Breaker,
    Entry,
    shared_file,
)

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "candle_feed" / "binance.json"


def bot(path: Path, clock: Clock) -> Breaker:
    return Breaker(path, clock, random.Random(1))


def left(breaker: Breaker, clock: Clock) -> float:
    until = breaker.blocked_until()
    return until - clock.now if until else 0.0


def test_a_refusal_shuts_it_for_all_bots(path: Path, clock: Clock) -> None:
    one, other = bot(path, clock), bot(path, clock)
    assert (other.state, other.reason, other.blocked_until()) == ("closed", "", 0.0)
    one.refused(418, 120.0)
    assert (other.state, other.reason) == ("open", "refused with 418, Retry-After 120 s, 1 in a row")
    assert other.enter() is Entry.SHUT
    assert 120 <= left(other, clock) <= 120 + 10 * JITTER
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_backs_off_longer_and_longer_but_never_shorter_than_told(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    pauses = []
    for _ in range(8):
        breaker.refused(403, None)
        pauses.append(left(breaker, clock))
        clock.now += pauses[-1]
        assert breaker.state == "half-open"
        assert breaker.enter() is Entry.GO
    for pause, least in zip(pauses, [10, 20, 40, 80, 160, 300, 300, 300], strict=True):
        assert least <= pause <= least * (1 + JITTER)
    assert len({pause % 10 for pause in pauses}) == len(pauses), "no two alike: jitter"
    breaker.refused(429, 4_000.0)
    assert left(breaker, clock) >= 4_000
    clock.now += left(breaker, clock)
    breaker.refused(429, 3 * DAY + 9_999)
    assert LONGEST_BAN_SECONDS <= left(breaker, clock) <= LONGEST_BAN_SECONDS + LONGEST_SECONDS * JITTER


@pytest.mark.parametrize("nonsense", [-5.0, float("nan"), float("inf"), None])
def test_a_retry_after_that_makes_no_sense(path: Path, clock: Clock, nonsense: float | None) -> None:
    breaker = bot(path, clock)
    breaker.refused(429, nonsense)
    assert 10 <= left(breaker, clock) <= 12


def test_refusals_of_what_was_under_way_count_once_but_a_longer_ban_counts(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    for _ in range(8):
        breaker.refused(429, None)
    assert left(breaker, clock) <= 12
    breaker.refused(418, 600.0)
    assert left(breaker, clock) == 600
    assert breaker.reason == "refused with 418, Retry-After 600 s, 1 in a row"
    breaker.refused(429, 1.0)
    assert left(breaker, clock) == 600


def test_one_probe_in_one_of_the_bots(path: Path, clock: Clock) -> None:
    one, other = bot(path, clock), bot(path, clock)
    one.refused(429, None)
    clock.now += 12
    assert one.blocked_until() == 0.0
    assert [other.enter(), one.enter(), other.enter()] == [Entry.GO, Entry.WAIT, Entry.WAIT]
    other.refused(429, None)
    assert [other.enter(), one.enter()] == [Entry.SHUT, Entry.SHUT]
    assert left(one, clock) >= 20
    clock.now += 24
    assert one.enter() is Entry.GO
    one.succeeded()
    assert (one.state, other.state, other.blocked_until()) == ("closed", "closed", 0.0)


def test_a_probe_that_never_ends_is_replaced(path: Path, clock: Clock) -> None:
    one, other = bot(path, clock), bot(path, clock)
    one.refused(429, None)
    clock.now += 12
    assert one.enter() is Entry.GO
    clock.now += PROBE_SECONDS - 1
    assert other.enter() is Entry.WAIT
    clock.now += 1
    assert other.enter() is Entry.GO
    other.unanswered()
    assert one.enter() is Entry.GO, "no answer says nothing about refusals: the next one probes"


def test_an_answer_to_what_was_under_way_does_not_close_it(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    breaker.refused(429, None)
    breaker.succeeded()
    assert breaker.state == "open"


def test_refused_again_soon_after_it_closed_goes_on_where_it_was(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    breaker.refused(429, None)
    clock.now += 12
    breaker.succeeded()
    breaker.refused(429, None)
    assert 20 <= left(breaker, clock) <= 24
    clock.now += 24
    breaker.succeeded()
    clock.now += module.FORGET_SECONDS
    breaker.refused(429, None)
    assert 10 <= left(breaker, clock) <= 12


def test_after_a_silence_one_goes_ahead(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    assert [breaker.enter() for _ in range(3)] == [Entry.GO, Entry.WAIT, Entry.WAIT]
    breaker.succeeded()
    assert [breaker.enter() for _ in range(3)] == [Entry.GO] * 3
    clock.now += SILENCE_SECONDS
    assert [breaker.enter(), breaker.enter()] == [Entry.GO, Entry.WAIT]
    clock.now += AHEAD_SECONDS
    assert [breaker.enter(), breaker.enter()] == [Entry.GO, Entry.GO], "one without an answer holds nobody up"
    clock.now -= DAY
    assert [breaker.enter(), breaker.enter()] == [Entry.GO, Entry.WAIT]


def test_an_exchange_that_does_not_answer_is_left_alone_for_a_moment(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    for _ in range(SILENT - 1):
        breaker.unanswered()
    breaker.unanswered(asked=False)
    assert breaker.state == "closed"
    breaker.unanswered()
    assert (breaker.state, breaker.reason, left(breaker, clock)) == ("open", "it does not answer", 10)
    for _ in range(5):
        clock.now += 10
        assert [breaker.enter(), breaker.enter()] == [Entry.GO, Entry.WAIT]
        breaker.unanswered()
        assert left(breaker, clock) == 10, "it is not refusing: no longer than that"
    clock.now += 10
    breaker.succeeded()
    assert breaker.state == "closed"


def test_a_network_that_fails_now_and_then_does_not_shut_it(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    for _ in range(3 * SILENT):
        breaker.unanswered()
        breaker.succeeded()
    assert breaker.state == "closed"


@pytest.mark.parametrize("jump", [-400 * DAY, -DAY, -5.0, 5.0, DAY])
def test_a_clock_that_is_set_does_not_hold_it_shut(path: Path, clock: Clock, jump: float) -> None:
    breaker = bot(path, clock)
    breaker.refused(429, None)
    clock.now += jump
    assert left(breaker, clock) <= 12
    clock.now += 24
    assert breaker.enter() is Entry.GO
    breaker.refused(429, None)
    assert 10 <= left(breaker, clock) <= 24


def test_a_far_end_that_no_retry_after_explains_is_not_believed(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    breaker.refused(429, None)
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"seconds": 9e9}))
    assert left(breaker, clock) == LONGEST_SECONDS * (1 + JITTER)
    path.write_text(json.dumps(told | {"seconds": 9e9, "retry_after": 9e9}))
    assert left(breaker, clock) == pytest.approx(LONGEST_BAN_SECONDS * (1 + JITTER))
    path.write_text(json.dumps(told | {"at": clock.now + 9e9, "probe_at": clock.now + 9e9}))
    assert breaker.enter() is Entry.GO


NOT_A_TIME = b'{"at":NaN,"seconds":1,"status":1,"retry_after":0,"level":1,"over":false,"probe_at":0}'


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff\xfe", b'{"at": 1}', NOT_A_TIME])
def test_a_damaged_file_stops_nobody(path: Path, clock: Clock, damage: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    breaker = bot(path, clock)
    assert breaker.enter() is Entry.GO
    breaker.refused(403, None)
    path.write_bytes(damage)
    assert breaker.state == "open", "what it saw itself counts"
    clock.now += 12
    assert breaker.enter() is Entry.GO
    breaker.succeeded()
    assert bot(path, clock).state == "closed"
    assert json.loads(path.read_text())["over"] is True


def test_without_a_file_each_bot_has_its_own(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "cache").write_text("in the way")
    path = tmp_path / "cache" / "binance.json"
    one, other = bot(path, clock), bot(path, clock)
    one.refused(429, None)
    assert (one.state, other.state) == ("open", "closed")
    clock.now += 12
    assert [one.enter(), one.enter()] == [Entry.GO, Entry.WAIT]
    one.refused(429, None)
    assert left(one, clock) >= 20


def test_a_full_disk_leaves_what_it_saw_itself(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = bot(path, clock)
    breaker.refused(429, None)
    clock.now += 12
    breaker.succeeded()
    with monkeypatch.context() as full:
        full.setattr(json, "dump", _no_space)
        breaker.refused(418, 120.0)
        assert breaker.enter() is Entry.SHUT
        clock.now += 130
        assert [breaker.enter(), breaker.enter()] == [Entry.GO, Entry.WAIT]
    assert sorted(each.name for each in path.parent.iterdir()) == ["binance.json", "binance.lock"]
    breaker.refused(418, 120.0)
    assert bot(path, clock).state == "open"


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "no space")


def _probe(path: Path, now: float, start: threading.Barrier, went: "multiprocessing.Queue[str]") -> None:
    breaker = Breaker(path, lambda: now)
    start.wait()
    went.put(breaker.enter().name)


def test_of_many_processes_exactly_one_probes(path: Path, clock: Clock) -> None:
    bot(path, clock).refused(429, None)
    fork = multiprocessing.get_context("fork")
    for _ in range(3):
        clock.now += 40
        start, went = fork.Barrier(6), fork.Queue()
        each = [fork.Process(target=_probe, args=(path, clock.now, start, went)) for _ in range(6)]
        for process in each:
            process.start()
        entries = sorted(went.get(timeout=10) for _ in each)
        for process in each:
            process.join()
        assert entries == ["GO"] + ["WAIT"] * 5


def test_of_many_threads_of_one_bot_exactly_one_probes(path: Path, clock: Clock) -> None:
    breaker = bot(path, clock)
    breaker.refused(429, None)
    clock.now += 12
    start, went = threading.Barrier(16), []

    def ask() -> None:
        start.wait()
        went.append(breaker.enter())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.name for entry in went) == ["GO"] + ["WAIT"] * 15


def test_a_bot_that_was_stopped_with_the_lock_in_hand_holds_up_nobody(path: Path, clock: Clock) -> None:
    stopped = bot(path, clock)
    with stopped._shared():
        other = bot(path, clock)
        other.refused(429, None)
        assert other.enter() is Entry.SHUT
    assert stopped.state == "open"


def test_where_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert shared_file("binance") == Path("/home/me/.cache/candle_feed/binance.json")

    def nowhere() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", nowhere)
    assert not shared_file("binance").parent.exists()
