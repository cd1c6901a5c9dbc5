import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runbook_lib.freqtrade.feed.exchange.asked import Asked
from runbook_lib.freqtrade.feed.exchange.breaker import SILENT, Breaker
from runbook_lib.freqtrade.feed.exchange.budget import AT_ONCE, Budget, Need
from runbook_lib.freqtrade.feed.exchange.direct import LOOK_SECONDS, Blocked, Direct, Early, listen

STEP = 60_000
FORMING = 30_000_000 * STEP
OPEN = FORMING / 1000
PAIRS = [f"C{number:02d}/USDT" for number in range(100)]


class NetworkError(Exception):
    """As ccxt's."""


class RequestTimeout(NetworkError):
    """As ccxt's."""


class BadSymbol(Exception):
    """As ccxt's."""


class Ccxt:
    """Stands for ccxt: calls run side by side, every answer goes through ``on_rest_response``."""

    def __init__(self, at: float = OPEN + 5) -> None:
        self.now = at
        self.status: Callable[[str], int] = lambda _symbol: 200
        self.headers: dict[str, str] = {}
        self.candles = [[FORMING + back * STEP, 1.0, 1.0, 1.0, 1.0, 1.0] for back in (-2, -1, 0)]
        self.asked: list[tuple[Any, ...]] = []
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds == LOOK_SECONDS:  # a hundred of them at once take no longer than one
            await asyncio.sleep(0.001)
            return
        self.slept.append(seconds)
        self.now += seconds

    def on_rest_response(self, *told: Any) -> str:
        code, reason, url, method, headers, body, request_headers, request_body = told
        assert (reason, url, method, request_headers, request_body) == ("", "https://", "GET", {}, None)
        assert code
        assert headers["Date"]
        return str(body).strip()

    async def fetch_ohlcv(self, *asked: Any) -> list[list[float]]:
        self.asked.append(asked)
        symbol, number = asked[0], len(self.asked)
        await asyncio.sleep(random.Random(number).random() / 500)
        status = self.status(symbol)
        if status == 0:
            raise RequestTimeout("binance GET https://")
        if status == -1:
            raise BadSymbol(f"binance does not have market symbol {symbol}")
        headers = {"Date": formatdate(self.now, usegmt=True), "X-MBX-USED-WEIGHT-1M": str(number * 2)} | self.headers
        assert self.on_rest_response(status, "", "https://", "GET", headers, " text ", {}, None) == "text"
        await asyncio.sleep(random.Random(number).random() / 500)
        if status != 200:
            raise Exception(f"binance {symbol}")  # noqa: TRY002 - ccxt's errors do not always name the status
        return [list(row) for row in self.candles]


class Bot:
    """One bot's way to the exchange."""

    def __init__(self, ccxt: Ccxt, path: Path, weight: float = 1_200.0) -> None:
        self.notes: list[tuple[str, float, str, float]] = []
        self.sent: list[None] = []
        self.breaker = Breaker(path, ccxt.clock, random.Random(1))
        self.budget = Budget(weight, ccxt.clock)
        self.ccxt = ccxt
        self.direct = Direct(
            ccxt.fetch_ohlcv,
            listen(ccxt),
            self.breaker,
            self.budget,
            2.0,
            lambda *note: self.notes.append(note),
            ccxt.clock,
            ccxt.sleep,
            sent=lambda: self.sent.append(None),
        )

    def asked(self, symbol: str = "BTC/USDT", *, since: int | None = None, limit: int | None = 1_000) -> Asked:
        return Asked(symbol, "1m", since, limit, {"a": 1}, self.ccxt.now)

    async def take(self, symbol: str = "BTC/USDT", *, since: int | None = None) -> list[list[float]]:
        return await self.direct(self.asked(symbol, since=since), Need.LIVE)

    async def refresh(self) -> list[Any]:
        """Ask for all pairs at once, as freqtrade does."""
        return await asyncio.gather(*map(self.take, PAIRS), return_exceptions=True)


@pytest.fixture
def ccxt() -> Ccxt:
    return Ccxt()


@pytest.fixture
def bot(ccxt: Ccxt, tmp_path: Path) -> Bot:
    return Bot(ccxt, tmp_path / "breaker" / "binance.json")


@pytest.fixture
def unavailable(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    module: Any = ModuleType("ccxt")
    module.ExchangeNotAvailable = type("ExchangeNotAvailable", (Exception,), {})
    monkeypatch.setitem(sys.modules, "ccxt", module)
    found: type[Exception] = module.ExchangeNotAvailable
    return found


async def test_asks_as_it_was_asked(ccxt: Ccxt, bot: Bot) -> None:
    assert await bot.take() == ccxt.candles
    assert await bot.take(since=FORMING - 90 * STEP) == ccxt.candles
    assert ccxt.asked == [
        ("BTC/USDT", "1m", None, 1_000, {"a": 1}),
        ("BTC/USDT", "1m", FORMING - 90 * STEP, 1_000, {"a": 1}),
    ]
    assert bot.budget.used == 4


async def test_asks_for_no_more_than_it_lacks(ccxt: Ccxt, bot: Bot) -> None:
    await bot.direct(Asked("BTC/USDT", "1m", None, 1_000, {}, ccxt.now, FORMING - 2 * STEP), Need.LIVE)
    assert ccxt.asked[0][3] == 8


@pytest.mark.parametrize(("after", "waited"), [(0.0, 2.0), (1.2, 0.8), (2.0, 0.0), (30.0, 0.0)])
async def test_waits_until_a_candle_has_settled(ccxt: Ccxt, bot: Bot, after: float, waited: float) -> None:
    ccxt.now = OPEN + after
    await bot.take()
    assert sum(ccxt.slept) == pytest.approx(waited)
    assert ccxt.now >= OPEN + 2.0


async def test_a_clock_that_is_set_back_does_not_make_it_wait_for_ever(ccxt: Ccxt, bot: Bot) -> None:
    asked = bot.asked()
    ccxt.now -= 9_999
    await bot.direct(asked, Need.LIVE)
    assert sum(ccxt.slept) <= 2.0


async def test_what_only_the_answer_closed_is_not_handed_on(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.candles.append([FORMING + STEP, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert [row[0] for row in await bot.take()] == [FORMING - 2 * STEP, FORMING - STEP, FORMING]


async def test_a_timeframe_that_the_feed_does_not_know_is_asked_for_at_once(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.now = OPEN
    assert await bot.direct(Asked("BTC/USDT", "1w", None, 10, {}, ccxt.now), Need.MORE) == ccxt.candles
    assert ccxt.slept == []


@pytest.mark.parametrize("status", [403, 418, 429])
async def test_one_refusal_and_a_hundred_are_not_sent(ccxt: Ccxt, bot: Bot, status: int) -> None:
    ccxt.status, ccxt.headers = lambda _symbol: status, {"Retry-After": "77"}
    assert await bot.refresh() == [[]] * 100, "freqtrade keeps what it has"
    assert len(ccxt.asked) == 1
    assert bot.breaker.state == "open"
    assert bot.breaker.blocked_until() >= ccxt.now + 70
    assert bot.notes[-1][:3] == ("open", bot.breaker.blocked_until(), bot.breaker.reason)
    assert f"{status}, Retry-After 77 s, 1 in a row" in bot.breaker.reason
    assert await bot.refresh() == [[]] * 100
    assert len(ccxt.asked) == 1


async def test_refused_in_the_middle_no_more_than_what_is_under_way(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.status = lambda _symbol: 200 if len(ccxt.asked) < 30 else 429
    rows = await bot.refresh()
    assert 30 <= len(ccxt.asked) <= 30 + AT_ONCE
    assert sum(map(bool, rows)) >= 29 - AT_ONCE
    assert bot.breaker.reason == "refused with 429, 1 in a row", "those that were under way are no new ones"


async def test_the_status_is_that_of_the_own_call(ccxt: Ccxt, bot: Bot) -> None:
    await bot.take()
    ccxt.status = lambda symbol: 418 if symbol == "C03/USDT" else 400
    errors = await bot.refresh()
    told = {str(error) for error in errors if isinstance(error, Exception)}
    assert [] in errors
    assert "binance C03/USDT" not in told, "the refusal"
    assert told, "an error that is no refusal is freqtrade's to deal with"


async def test_history_fails_instead_of_having_a_hole(ccxt: Ccxt, bot: Bot, unavailable: type[Exception]) -> None:
    ccxt.status = lambda _symbol: 403
    for _ in range(5):
        with pytest.raises(unavailable, match="the exchange is not asked: refused with 403, 1 in a row"):
            await bot.take(since=FORMING - 90 * STEP)
    assert len(ccxt.asked) == 1
    with pytest.raises(Blocked, match="not asked"):
        await bot.direct.ask(bot.asked(), Need.LIVE)


async def test_the_other_bots_of_the_machine_do_not_ask_either(ccxt: Ccxt, bot: Bot, tmp_path: Path) -> None:
    other = Bot(ccxt, tmp_path / "breaker" / "binance.json")
    ccxt.status = lambda _symbol: 429
    await bot.refresh()
    assert await other.refresh() == [[]] * 100
    assert len(ccxt.asked) == 1
    ccxt.now += 12
    assert await asyncio.gather(bot.refresh(), other.refresh()) == [[[]] * 100] * 2
    assert len(ccxt.asked) == 2, "one probe"


async def test_when_the_probe_is_answered_all_go(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.status = lambda _symbol: 429
    await bot.refresh()
    ccxt.status = lambda _symbol: 200
    ccxt.now += 12
    assert await bot.refresh() == [ccxt.candles] * 100, "in the very round in which it finds out"
    assert bot.breaker.state == "closed"
    assert bot.notes[-1][:3] == ("closed", 0.0, "")


async def test_retry_after_as_a_date_by_the_exchanges_clock(ccxt: Ccxt, bot: Bot) -> None:
    theirs = ccxt.now - 5_000
    ccxt.headers = {"Date": formatdate(theirs, usegmt=True), "Retry-After": formatdate(theirs + 600, usegmt=True)}
    ccxt.status = lambda _symbol: 429
    await bot.take()
    assert 600 <= bot.breaker.blocked_until() - ccxt.now <= 602


async def test_an_exchange_that_does_not_answer(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.status = lambda _symbol: 0
    answers = await bot.refresh()
    assert len(ccxt.asked) <= SILENT + AT_ONCE
    assert sum(isinstance(each, RequestTimeout) for each in answers) == len(ccxt.asked)
    assert bot.breaker.reason == "it does not answer"


async def test_what_was_never_sent_says_nothing_of_the_exchange(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.status = lambda _symbol: -1
    answers = await asyncio.gather(*map(bot.take, PAIRS[: SILENT + 1]), return_exceptions=True)
    assert {type(each) for each in answers} == {BadSymbol}
    assert bot.breaker.state == "closed"


async def test_what_was_sent_is_counted_whatever_came_of_it_and_nothing_else(ccxt: Ccxt, bot: Bot) -> None:
    def hangs(_symbol: str) -> int:
        raise asyncio.CancelledError

    for status, sent in ((lambda _: 200, 1), (lambda _: -1, 1), (lambda _: 0, 2), (hangs, 3), (lambda _: 500, 4)):
        ccxt.status = status
        with suppress(Exception, asyncio.CancelledError):
            await bot.take()
        assert len(bot.sent) == sent
    ccxt.status = lambda _: 429
    assert await bot.take() == []
    assert len(bot.sent) == 5
    for _ in range(50):
        assert await bot.take() == []
    assert len(bot.sent) == len(ccxt.asked) - 1 == 5, "what its own ccxt refused never went out"


async def test_the_clock_is_looked_at(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.headers = {"Date": formatdate(ccxt.now + 90, usegmt=True)}
    await bot.take()
    assert not bot.direct.check.wrong
    await bot.take()
    assert bot.direct.check.wrong
    assert -91 <= bot.direct.check.offset_seconds <= -88


async def test_a_clock_that_is_ahead_is_not_taken_for_the_exchanges(ccxt: Ccxt, bot: Bot) -> None:
    for at in (OPEN + 30, OPEN + 31):
        ccxt.now = at
        ccxt.headers = {"Date": formatdate(at - 2.5, usegmt=True)}
        await bot.take()
    assert bot.direct.check.wrong
    ccxt.now = OPEN + 60 + 1.0
    ccxt.slept.clear()
    await bot.take()
    assert 60 + 2.0 <= ccxt.now - 2.5 - OPEN <= 60 + 3.1, "two seconds after the close by the exchange's clock"


class Behind(Ccxt):
    """An exchange whose clock is behind the bot's; of a candle that has not settled by it not all has come."""

    def __init__(self, seconds: float) -> None:
        super().__init__(OPEN)
        self.seconds = seconds

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        await asyncio.sleep(0.001)
        self.now = max(self.now, until)

    async def fetch_ohlcv(self, *asked: Any) -> list[list[float]]:
        self.asked.append(asked)
        theirs = self.now - self.seconds
        await asyncio.sleep(random.Random(len(self.asked)).random() / 500)
        forming, unsettled = (int((theirs - after) * 1000) // STEP * STEP for after in (0, 2))
        self.on_rest_response(200, "", "", "GET", {"Date": formatdate(theirs, usegmt=True)}, "", {}, None)
        opens = range(forming - 5 * STEP, forming + 1, STEP)
        return [[date, 1.0, 1.0, 1.0, 1.0, 1.0 if date < unsettled else 0.5] for date in opens]

    def on_rest_response(self, *_told: Any) -> str:
        return ""


def newest_closed(rows: list[list[float]]) -> int:
    """Return the last candle that freqtrade keeps of an answer, having seen that nothing of it was missing."""
    closed = [row for row in rows if row[0] < FORMING]
    assert all(row[5] == 1.0 for row in closed), "partial"
    assert not rows or rows[-1][0] == FORMING
    return int(closed[-1][0]) if closed else 0


async def test_the_first_answers_of_all_are_judged_by_the_exchanges_clock(tmp_path: Path) -> None:
    ccxt = Behind(seconds=10)
    bot = Bot(ccxt, tmp_path / "b.json")
    found = dict(zip(PAIRS, map(newest_closed, await bot.refresh()), strict=True))
    assert set(found.values()) == {FORMING - 2 * STEP, FORMING - STEP}
    early = {pair for pair, newest in found.items() if newest != FORMING - STEP}
    assert 1 <= len(early) <= AT_ONCE + 1, "those behind them in the queue wait for what these learned"
    assert bot.direct.left_out == {(pair, "1m") for pair in early}, "freqtrade asks for them again"
    bot.direct.left_out.clear()
    ccxt.now += 10
    assert {newest_closed(rows) for rows in await bot.refresh()} == {FORMING - STEP}
    assert len(ccxt.asked) == 2 * len(PAIRS)
    assert not bot.direct.left_out


async def test_one_whose_clock_is_far_ahead_neither_takes_what_is_partial_nor_asks_all_the_time(tmp_path: Path) -> None:
    ccxt = Behind(seconds=45)
    bot = Bot(ccxt, tmp_path / "b.json")
    asked, found = bot.asked(), []
    for _ in range(10):  # rounds of the bot, within one candle
        found.append(newest_closed(await bot.direct(asked, Need.LIVE)))
        ccxt.now += 5
    assert [newest for newest in found if newest][:-1] == [FORMING - 2 * STEP] * 2
    assert found[-1] == FORMING - STEP, "once it has settled by the exchange's clock"
    assert len(ccxt.asked) == 3
    assert await bot.take(since=FORMING - 90 * STEP), "history is not held up"


async def test_what_came_too_early_is_no_answer_to_keep(tmp_path: Path) -> None:
    ccxt = Behind(seconds=10)
    bot = Bot(ccxt, tmp_path / "b.json")
    asked = bot.asked()
    for newest in (FORMING - 2 * STEP, 0):  # the second time it is not asked
        with pytest.raises(Early, match="has yet to settle") as early:
            await bot.direct.ask(asked, Need.LIVE)
        assert newest_closed(early.value.rows) == newest
    assert len(ccxt.asked) == 1
    assert not bot.direct.left_out


async def test_a_clock_that_is_put_right_is_soon_noticed(tmp_path: Path) -> None:
    ccxt = Behind(seconds=3_600)
    bot = Bot(ccxt, tmp_path / "b.json")
    assert newest_closed(await bot.take()) < FORMING - 59 * STEP
    assert await bot.take() == []
    assert len(ccxt.asked) == 1
    until, ccxt.now, ccxt.seconds = ccxt.now, ccxt.now - 3_600, 0
    assert await bot.take()
    assert len(ccxt.asked) == 2
    ccxt.now = until + 5
    assert await bot.take(), "what its clock said when it was wrong counts at no time later"
    assert len(ccxt.asked) == 3


async def test_where_an_answer_does_not_say_when_it_was_made_its_candles_are_taken(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.headers = {"Date": formatdate(OPEN - 5, usegmt=True), "Age": "10"}
    assert await bot.take() == ccxt.candles
    assert not bot.direct.left_out


async def test_says_how_it_stands_though_nobody_asks(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.status = lambda _symbol: 429
    await bot.take()
    bot.direct.tell()
    assert (bot.notes[-1][0], bot.notes[-1][3]) == ("open", 2)
    ccxt.now += 3_600
    bot.direct.tell()
    assert bot.notes[-1] == ("half-open", 0.0, "refused with 429, 1 in a row", 0)


async def test_stays_within_the_budget(ccxt: Ccxt, tmp_path: Path) -> None:
    bot = Bot(ccxt, tmp_path / "b.json", weight=20)
    tasks = [asyncio.create_task(bot.take(pair)) for pair in PAIRS]
    done, waiting = await asyncio.wait(tasks, timeout=0.5)
    assert (len(ccxt.asked), len(done), len(waiting)) == (10, 10, 90)
    for task in waiting:
        task.cancel()


async def test_those_who_wait_for_weight_leave_when_the_exchange_refuses(ccxt: Ccxt, tmp_path: Path) -> None:
    bot, other = Bot(ccxt, tmp_path / "b.json", weight=20), Bot(ccxt, tmp_path / "b.json")
    tasks = [asyncio.create_task(bot.take(pair)) for pair in PAIRS]
    await asyncio.wait(tasks, timeout=0.3)
    ccxt.status = lambda _symbol: 418
    await other.take()
    assert [await task for task in tasks].count([]) == 90
    assert len(ccxt.asked) == 11


async def test_the_exchanges_own_count_is_heard_for_as_long_as_its_minute_lasts(ccxt: Ccxt, bot: Bot) -> None:
    ccxt.headers = {"X-MBX-USED-WEIGHT-1M": "777"}
    await bot.take()
    assert bot.budget.used == bot.notes[-1][3] == 777
    ccxt.now += 54
    assert bot.budget.used == 777
    ccxt.now += 1.1
    assert bot.budget.used == 2


async def test_of_two_answers_to_one_call_the_last_counts(ccxt: Ccxt, bot: Bot) -> None:
    fetch, ccxt.headers = ccxt.fetch_ohlcv, {"Retry-After": "300"}

    async def markets_first(*asked: Any) -> list[list[float]]:
        await fetch(*asked)
        ccxt.status, ccxt.headers = lambda _symbol: 429, {}
        return await fetch(*asked)

    bot.direct.fetch = markets_first
    assert await bot.take() == []
    assert len(bot.direct.left_out) == 1
    assert bot.breaker.reason == "refused with 429, 1 in a row"


async def test_what_cannot_be_learned_from_an_answer_costs_no_candle(
    ccxt: Ccxt, bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bot.direct.check, "saw", lambda *_: 1 / 0)
    for _ in range(2):
        assert await bot.take() == ccxt.candles
    assert caplog.text.count("said once") == 1


async def test_a_state_that_cannot_be_kept_costs_no_candle(ccxt: Ccxt, bot: Bot) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    bot.direct.note = full
    assert await bot.take() == ccxt.candles


REAL = '''
import asyncio, json, sys, time, types
from pathlib import Path
feed = types.ModuleType("feed")
feed.__path__ = [sys.argv[1]]
sys.modules["feed"] = feed
import ccxt.async_support as ccxt
from aiohttp import web
from feed.exchange.asked import Asked
from feed.exchange.breaker import Breaker
from feed.exchange.budget import Budget, Need
from feed.exchange.direct import LOOK_SECONDS, Blocked, Direct, listen

HOST, PORT, PAIRS = "127.0.53.1", int(sys.argv[2]), [f"C{n}/USDT" for n in range(20)]
SPOT = {"spot": True, "type": "spot", "quote": "USDT", "precision": {"amount": 1, "price": 1}, "limits": {}}
HTML, JSON = "<html><h1>403 Forbidden</h1></html>", json.dumps({"code": -1003, "msg": "Too much request weight used."})
hits, refuse = [], {}

async def klines(request):
    """Refuse one pair, soon; answer the others later."""
    hits.append(symbol := request.query["symbol"])
    if symbol in refuse:
        await asyncio.sleep(0.02)
        status, text, retry_after = refuse[symbol]
        return web.Response(status=status, text=text, headers={"Retry-After": retry_after})
    await asyncio.sleep(0.1)
    now = int(time.time()) // 60 * 60_000
    row = [now, "1.1", "1.2", "1.0", "1.15", "5", now + 59_999, "5", 1, "5", "5", "0"]
    return web.json_response([row], headers={"x-mbx-used-weight-1m": "321"})

async def main():
    app = web.Application()
    app.router.add_get("/api/v3/klines", klines)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, PORT).start()
    exchange = ccxt.binance({"urls": {"api": {"public": f"http://{HOST}:{PORT}/api/v3"}}, "enableRateLimit": False})
    exchange.set_markets([SPOT | {"id": p.replace("/", ""), "symbol": p, "base": p[:-5]} for p in PAIRS])
    heard, found = listen(exchange), []
    for status, text in ((200, ""), (403, HTML), (403, JSON), (418, JSON), (429, JSON), (500, HTML)):
        hits.clear()
        refuse.clear()
        breaker, budget = Breaker(Path(f"{len(found)}/b.json")), Budget(1200)
        direct = Direct(exchange.fetch_ohlcv, heard, breaker, budget, 0.0, lambda *_: None)
        ask = lambda pair: direct.ask(Asked(pair, "1m", None, 10, {}, time.time()), Need.LIVE)
        await ask(PAIRS[0])
        if status != 200:
            refuse["C7USDT"] = status, text, "77"
        answers = await asyncio.gather(*map(ask, PAIRS), return_exceptions=True)
        kinds = [type(each).__name__ for each in answers]
        found.append([kinds[7], breaker.reason, len(hits) - 1, kinds.count("list"), direct.check.wrong, budget.used])
    await exchange.close()
    await runner.cleanup()
    print(json.dumps(found))

asyncio.run(main())
'''


@pytest.mark.bots
def test_on_real_ccxt_each_call_learns_its_own_status(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    python = Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", root / ".venv/freqtrade/bin/python"))
    if not python.exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    feed = root / "runbook_lib/freqtrade/feed"
    done = subprocess.run(
        [python, "-", feed, "25301"], input=REAL, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    fine, *refused, broken = json.loads(done.stdout)
    assert fine == ["list", "", 20, 20, False, 321.0]
    assert broken[:4] == ["ExchangeNotAvailable", "", 20, 19]
    for status, (kind, reason, hits, answered, *_) in zip([403, 403, 418, 429], refused, strict=True):
        assert (kind, reason) == ("Blocked", f"refused with {status}, Retry-After 77 s, 1 in a row")
        assert hits == answered + 1 <= AT_ONCE + 7, "those under way are answered, and no other is sent"
