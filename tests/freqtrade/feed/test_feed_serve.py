from dataclasses import dataclass, field

import numpy as np
import pytest
from two_producers import arrived

from runbook_lib.freqtrade.feed.candle.series import Candles, Key
from runbook_lib.freqtrade.feed.candle.store import CandleStore
from runbook_lib.freqtrade.feed.candle.times import window
from runbook_lib.freqtrade.feed.candle.wire import MOST_WANTS, Ask, Status, Told, Want, answer_from_bytes, ask_to_bytes
from runbook_lib.freqtrade.feed.peers import serve as module
from runbook_lib.freqtrade.feed.peers.kept import Series
from runbook_lib.freqtrade.feed.peers.outlook import BEHIND, BLOCKED, CLOCK, LACKING, STILL, UNHELD, Outlook
from runbook_lib.freqtrade.feed.peers.serve import FRESH_SECONDS, LONGEST_WAIT_SECONDS, MOST_BYTES, Counter

STEP = 60_000
FORMING = 30_000_000 * STEP
OWN, OTHER = Key("BTC/USDT", "1m", "spot"), Key("ETH/USDT", "1m", "spot")
NEED = FORMING - STEP


@dataclass
class Breaker:
    state: str = "closed"


@dataclass
class Bench:
    """A counter at a moment half a second into a candle; what is to happen later is told by ``soon``."""

    now: float = FORMING / 1000 + 0.5
    wrong: bool = False
    breaker: Breaker = field(default_factory=Breaker)
    soon: dict[float, tuple[Key, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = CandleStore()
        self.outlook = Outlook(self.store, self.breaker, lambda: self.wrong, "1m", "spot", 35.0, 12.0, lambda: self.now)
        self.outlook.own_pairs = frozenset({"BTC/USDT"})
        self.outlook.beat()
        has_market = {"BTC/USDT", "ETH/USDT"}.__contains__
        self.series = Series("p", 2.0, self.store, self.outlook, (), has_market, clock=lambda: self.now)
        self.series.looked_at = self.now
        self.counter = Counter(
            "p", "binance", ("secret", "other"), {"peer"}, self.store, self.outlook, self.series, self.clock, self.sleep
        )

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at in [at for at in self.soon if at <= self.now]:
            self.hold(*self.soon.pop(at))

    def hold(self, key: Key, back: int, count: int = 100) -> None:
        """Hold so many candles, the newest one ``back`` candles before the forming one."""
        dates = [FORMING - (back + i) * STEP for i in range(count)]
        self.store.put(key, Candles.of([[date, 1.0, 2.0, 0.5, date / 7, 3.0] for date in dates]))

    async def ask(self, body: bytes, token: str | None) -> tuple[int, bytes]:
        return await self.counter.answer(arrived(body), token)

    async def tell(self, key: Key, *, since: int = NEED, wait: float = 0.0, who: str = "c", need: int = NEED) -> Told:
        ask = Ask(who, "binance", "spot", wait, (Want(key, since, need),))
        status, body = await self.ask(ask_to_bytes(ask), "secret")
        assert status == 200
        return answer_from_bytes(body).told[0]


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_is_held_is_told_to_the_last_bit(bench: Bench) -> None:
    bench.hold(OWN, 1)
    told = await bench.tell(OWN, since=FORMING - 3 * STEP)
    assert told.status is Status.HAVE
    assert told.candles.dates.tolist() == [FORMING - 3 * STEP, FORMING - 2 * STEP, FORMING - STEP]
    assert np.array_equal(told.candles.values[:, 3], told.candles.dates / 7)


async def test_the_answer_says_who_when_and_what_it_has(bench: Bench) -> None:
    bench.hold(OWN, 1)
    bench.series.want(Want(OTHER, NEED, NEED))
    status, body = await bench.ask(ask_to_bytes(Ask("c", "binance", "spot", 5.0)), "other")
    answer = answer_from_bytes(body)
    assert (status, answer.name, answer.clock, answer.owns) == (200, "p", bench.now, frozenset({"BTC/USDT"}))
    assert set(answer.held) == {OWN, OTHER}


async def test_what_comes_while_the_asker_waits_is_told_at_once(bench: Bench) -> None:
    bench.hold(OWN, 2)
    bench.soon[bench.now + 2.0] = (OWN, 1)
    begun = bench.now
    told = await bench.tell(OWN, wait=4.0)
    assert told.status is Status.HAVE
    assert 2.0 <= bench.now - begun <= 2.1


async def test_what_does_not_come_in_that_time_is_said_to_be_coming(bench: Bench) -> None:
    bench.hold(OWN, 2)
    begun = bench.now
    told = await bench.tell(OWN, wait=1.0)
    assert (told.status, len(told.candles)) == (Status.COMING, 0)
    assert bench.now - begun == pytest.approx(1.0)


@pytest.mark.parametrize("wait", [1e9, float("nan"), float("inf"), -1.0])
async def test_nobody_is_kept_waiting_for_ever(bench: Bench, wait: float) -> None:
    bench.hold(OWN, 2)
    begun = bench.now
    await bench.tell(OWN, wait=wait)
    assert bench.now - begun <= LONGEST_WAIT_SECONDS + 0.1


async def test_what_will_not_come_is_said_at_once(bench: Bench) -> None:
    begun = bench.now
    told = await bench.tell(OWN, wait=4.0, who="peer")
    assert (told.status, told.why) == (Status.NO, BEHIND)
    assert bench.now == begun


async def test_a_promise_that_turns_out_empty_is_taken_back_while_the_asker_waits(bench: Bench) -> None:
    bench.hold(OWN, 2)
    bench.now += 34.0
    told = await bench.tell(OWN, wait=4.0)
    assert (told.status, told.why) == (Status.NO, STILL)


async def test_while_the_exchange_refuses_nothing_is_promised(bench: Bench) -> None:
    bench.hold(OWN, 2)
    bench.breaker.state = "open"
    told = await bench.tell(OWN)
    assert (told.status, told.why) == (Status.NO, BLOCKED)
    told = await bench.tell(OWN, need=FORMING - 2 * STEP)
    assert told.status is Status.HAVE


@pytest.mark.parametrize("key", [OWN, OTHER])
async def test_what_the_exchange_lacks_is_said_at_once_as_long_as_the_look_is_fresh(bench: Bench, key: Key) -> None:
    bench.hold(key, 3)
    bench.series.want(Want(key, NEED, NEED))
    bench.outlook.looked(key, window(now=bench.now, step=STEP, since=None, limit=9), bench.store.get(key).rows())
    begun = bench.now
    told = await bench.tell(key, since=FORMING - 5 * STEP, wait=4.0)
    assert (told.status, told.why, len(told.candles)) == (Status.LACKS, LACKING, 3)
    assert bench.now == begun
    bench.now += FRESH_SECONDS
    assert (await bench.tell(key, who="peer")).status is Status.LACKS, "it is no reason to download it there"
    told = await bench.tell(key)
    # its bot looks in its own rounds; what only the standby keeps is looked at again for whoever asks again
    assert (told.status, told.why) == ((Status.NO, LACKING) if key is OWN else (Status.COMING, ""))


async def test_what_another_one_said_of_the_exchange_is_not_told_any_further(bench: Bench) -> None:
    bench.hold(OTHER, 2)
    bench.series.want(Want(OTHER, NEED, NEED))
    bench.outlook.looked(OTHER, window(now=bench.now, step=STEP, since=None, limit=9), (), heard=True)
    for who in ("c", "peer"):
        told = await bench.tell(OTHER, who=who, wait=4.0)
        assert (told.status, told.why) == (Status.NO, LACKING)


async def test_one_whose_clock_is_wrong_tells_nobody_anything(bench: Bench) -> None:
    bench.hold(OWN, 1)
    bench.wrong = True
    told = await bench.tell(OWN)
    assert (told.status, told.why) == (Status.NO, CLOCK)


async def test_a_consumer_has_a_series_taken_up_by_asking(bench: Bench) -> None:
    told = await bench.tell(OTHER, since=FORMING - 50 * STEP)
    assert told.status is Status.COMING
    assert bench.series.held() == [OTHER]
    told = await bench.tell(Key("NO/SUCH", "1m", "spot"))
    assert (told.status, told.why) == (Status.NO, "the exchange has no such market")


async def test_another_producer_does_not(bench: Bench) -> None:
    told = await bench.tell(OTHER, who="peer", wait=4.0)
    assert (told.status, told.why) == (Status.NO, UNHELD)
    assert not bench.series.held()


async def test_a_consumer_that_wants_older_candles_waits_for_them(bench: Bench) -> None:
    bench.hold(OWN, 1, count=100)
    told = await bench.tell(OWN, since=FORMING - 200 * STEP)
    assert told.status is Status.COMING
    told = await bench.tell(OWN, since=FORMING - 200 * STEP, who="peer")
    assert (told.status, len(told.candles)) == (Status.HAVE, 100)


async def test_one_that_wants_candles_of_last_year_hears_at_once_how_far_back_they_go(bench: Bench) -> None:
    bench.hold(OWN, 1, count=1000)
    begun = bench.now
    told = await bench.tell(OWN, since=FORMING - 500_000 * STEP, need=FORMING - 499_000 * STEP, wait=4.0)
    assert (told.status, len(told.candles)) == (Status.HAVE, 1000)
    assert bench.now == begun


@pytest.mark.parametrize("token", [None, "", "Secret", "secret "])
async def test_who_has_no_token_is_told_nothing(bench: Bench, token: str | None) -> None:
    assert await bench.ask(ask_to_bytes(Ask("c", "binance", "spot", 0.0)), token) == (401, b"wrong token")


async def test_of_who_has_no_token_nothing_is_read(bench: Bench) -> None:
    async def read() -> bytes:
        pytest.fail("it was read")

    assert await bench.counter.answer(read, "wrong") == (401, b"wrong token")


async def test_another_version_is_refused_with_its_number(bench: Bench) -> None:
    status, words = await bench.ask(
        ask_to_bytes(Ask("c", "binance", "spot", 0.0)).replace(b'"format": 3', b'"format": 1'), "secret"
    )
    assert status == 409
    assert b"format 1" in words
    assert (await bench.ask(b"\x00", "secret"))[0] == 409


async def test_another_market_is_refused_by_name(bench: Bench) -> None:
    status, words = await bench.ask(ask_to_bytes(Ask("c", "kraken", "spot", 0.0)), "secret")
    assert (status, words) == (409, b"c trades on kraken, this producer serves binance")
    wants = (Want(Key("BTC/USDT:USDT", "1m", "futures"), 0, 0),)
    # one that only asks how this one stands, as all do at first, is to hear it as well
    for ask in (Ask("c", "binance", "spot", 0.0, wants), Ask("c", "binance", "futures", 0.0)):
        status, words = await bench.ask(ask_to_bytes(ask), "secret")
        assert (status, words) == (409, b"c wants futures, this producer serves spot")


async def test_questions_have_an_end(bench: Bench) -> None:
    assert (await bench.ask(b" " * (MOST_BYTES + 1), "secret"))[0] == 413
    ask = Ask("c", "binance", "spot", 0.0, (Want(OWN, 0, 0),) * (MOST_WANTS + 1))
    assert (await bench.ask(ask_to_bytes(ask), "secret"))[0] == 413


async def test_a_series_is_wanted_once_in_a_question(bench: Bench) -> None:
    bench.hold(OWN, 1)
    ask = Ask("c", "binance", "spot", 0.0, (Want(OWN, FORMING - 9 * STEP, NEED), Want(OWN, NEED, NEED)))
    status, words = await bench.ask(ask_to_bytes(ask), "secret")
    assert (status, words) == (400, b"a series is wanted twice in one question")


async def test_what_would_make_an_answer_too_long_comes_with_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_TOLD", 150)
    for key in (OWN, OTHER):
        bench.hold(key, 1)
    wants = tuple(Want(key, FORMING - 100 * STEP, NEED) for key in (OWN, OTHER, Key("NO/SUCH", "1m", "spot")))
    begun = bench.now

    async def told(*wants: Want) -> list[tuple[Status, int]]:
        _, body = await bench.ask(ask_to_bytes(Ask("c", "binance", "spot", 4.0, wants)), "secret")
        return [(each.status, len(each.candles)) for each in answer_from_bytes(body).told]

    assert await told(*wants) == [(Status.HAVE, 100), (Status.COMING, 0), (Status.NO, 0)]
    assert await told(wants[1]) == [(Status.HAVE, 100)], "who asks again asks without what it has by then"
    assert bench.now == begun, "nobody is kept waiting for what is there"


async def test_the_first_load_of_a_large_bot_is_one_answer(bench: Bench) -> None:
    pairs = tuple(f"C{number}/USDT" for number in range(110))
    bench.series.has_market = pairs.__contains__
    keys = [Key(pair, timeframe, "spot") for pair in pairs for timeframe in ("1m", "5m", "15m")]
    for key in keys:
        bench.hold(key, 1, count=1000)
    wants = tuple(Want(key, FORMING - 1000 * STEP, NEED) for key in keys)
    _, body = await bench.ask(ask_to_bytes(Ask("c", "binance", "spot", 0.0, wants)), "secret")
    assert {(told.status, len(told.candles)) for told in answer_from_bytes(body).told} == {(Status.HAVE, 1000)}
