"""What producers fetch for FreqAI consumers, and which files those are given before they start."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from phase_double import PhaseDouble

from runbook_lib.change.resources import Command, File, Unit, Wanted
from runbook_lib.errors import ChangeError
from runbook_lib.freqtrade.history import Folder, Kept, Need, Series
from runbook_lib.freqtrade.phases import handover
from runbook_lib.values import FleetResult, HostResult

FREQAI = json.dumps({"strategy": "Mine", "freqai": {"enabled": True}}).encode()
PLAIN = json.dumps({"strategy": "Mine"}).encode()
CONFIG = "freqtrade/user_data/config.json"
NEED = Need((".*/USDT", "X/USDT"), ("1m", "15m"), 86_400, Folder("user_data/data/binance", "feather"))
NOW = int(time.time() * 1000)


class World:
    """Hosts in memory. ``configs``: of consumers; ``kept``: by host what lies there; ``read``: what was read where."""

    def __init__(self, **configs: bytes) -> None:
        self.configs = configs
        self.kept: dict[str, dict[Series, Kept]] = {}
        self.read: list[str] = []
        self.asked: list[str] = []

    def keeps(self, host: str, first: int, last: int, *series: Series) -> None:
        for pair, timeframe in series:
            path = f"data/{host}/{pair.replace('/', '_')}-{timeframe}.feather"
            self.kept.setdefault(host, {})[pair, timeframe] = Kept(path, first, last, 9)


class Asked:
    """Stands in for freqtrade on a host."""

    def __init__(self, session: Any, directory: str, python: str) -> None:
        assert (directory, python) == ("freqtrade", "freqtrade/.venv/bin/python")
        self.host, self.world = session.name, session.world

    def needs(self, config: str) -> Need:
        assert config == "user_data/config.json"
        self.world.asked.append(self.host)
        return NEED

    def held(self, folder: Folder, series: list[Series]) -> dict[Series, Kept]:
        kept = self.world.kept.get(self.host, {})
        return {each: kept.get(each, Kept(f"{folder.path}/{each[0]}-{each[1]}", 0, 0, 0)) for each in series}

    def join(self, path: str, newer: bytes) -> bytes:
        return f"{path} + ".encode() + newer


class Fleet:
    def __init__(self, world: World) -> None:
        self.world = world

    def __getitem__(self, host: str) -> Any:
        return SimpleNamespace(name=host, world=self.world)

    def on_all(self, task: Any, hosts: Any) -> FleetResult[Any]:
        return FleetResult(tuple(HostResult(host, task(self[host])) for host in hosts))


class Reading:
    def __init__(self, session: Any) -> None:
        self.session = session

    def read(self, path: str) -> bytes | None:
        world = self.session.world
        if path == CONFIG:
            return world.configs[f"c{self.session.name}"]
        world.read.append(f"{self.session.name}:{path}")
        return path.encode()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a way to open a phase of two producers with a pair each and two consumers."""
    monkeypatch.setattr(handover, "Historian", Asked)
    monkeypatch.setattr(handover, "Files", Reading)

    def opening(world: World, *, dry_run: bool = False) -> Any:
        double: Any = PhaseDouble(dry_run=dry_run)
        site = double.site
        producers = {
            host: site.producers[host].model_copy(update={"pairs": [pair]})
            for host, pair in (("73", "A/USDT"), ("108", "B/USDT"))
        }
        consumers = {host: site.consumers[host] for host in ("75", "120")}
        double.site = site.model_copy(update={"producers": producers, "consumers": consumers})
        double.fleet = Fleet(world)
        return double

    return opening


def producing() -> dict[str, Wanted]:
    return {host: Wanted(host, (File("a", b"a"), Unit("p.service")), ("log",)) for host in ("73", "108")}


def consuming() -> dict[str, Wanted]:
    resources = (File("b", b"b"), File(CONFIG, b"edited"), Unit("c.service"))
    return {host: Wanted(host, resources) for host in ("75", "120")}


SERIES_73 = [(pair, timeframe) for pair in ("A/USDT", "X/USDT") for timeframe in ("1m", "15m")]
SERIES_108 = [("B/USDT", "1m"), ("B/USDT", "15m")]


def test_plain_feeders_change_nothing_and_ask_for_nothing(small: Any) -> None:
    world = World(c75=PLAIN, c120=PLAIN)
    assert handover.fetched(small(world), producing()) == producing()
    assert handover.handed_over(small(world), consuming()) == consuming()
    assert world.asked == []


def test_a_producer_fetches_after_its_bot_runs_into_a_folder_of_its_own(small: Any) -> None:
    wanted = handover.fetched(small(World(c75=FREQAI, c120=PLAIN)), producing())
    kinds = [type(resource).__name__ for resource in wanted["73"].resources]
    assert kinds == ["File", "Unit", "File", "Command"]  # what comes after a unit does not restart it
    assert wanted["73"].leaves == ("log", "freqtrade/user_data/candle_history")
    overlay = json.loads(wanted["73"].files[-1].content)
    assert overlay["exchange"]["ccxt_config"]["rateLimit"] == 250  # ms: 1200 weight a minute
    (command,) = wanted["73"].commands
    assert isinstance(command, Command)
    assert command.name == "history of 2 pairs in 1m, 15m, 2 days, feather"
    assert "--days 2 --data-format-ohlcv feather --timeframes 1m 15m --pairs A/USDT X/USDT;" in command.do
    assert "--config user_data/config_producer_73.json --config user_data/candle_history.json" in command.do
    assert command.undo == "rm -rf -- freqtrade/user_data/candle_history"
    assert command.seconds is not None
    assert command.seconds > 120
    assert "--pairs B/USDT;" in wanted["108"].commands[0].do
    assert wanted == handover.fetched(small(World(c75=FREQAI, c120=PLAIN)), producing())  # the same plan at any time


def fetched_world(**more: bytes) -> World:
    world = World(**{"c75": FREQAI, "c120": FREQAI, **more})
    world.keeps("73", 100, NOW, *SERIES_73)
    world.keeps("108", 100, NOW, *SERIES_108)
    return world


def given(wanted: Wanted) -> dict[str, bytes]:
    return {file.path: file.content for file in wanted.files if file.rewritten}


def test_a_consumer_without_history_is_given_all_of_it_before_its_unit(small: Any) -> None:
    world = fetched_world(c120=PLAIN)
    wanted = handover.handed_over(small(world), consuming())
    assert wanted["120"] == consuming()["120"]
    files = given(wanted["75"])
    assert len(files) == len(SERIES_73 + SERIES_108)
    assert files["freqtrade/user_data/data/binance/A/USDT-1m"] == b"freqtrade/data/73/A_USDT-1m.feather"
    assert files["freqtrade/user_data/data/binance/B/USDT-15m"] == b"freqtrade/data/108/B_USDT-15m.feather"
    assert isinstance(wanted["75"].resources[-1], Unit)
    assert [file.path for file in wanted["75"].files][-1] == CONFIG  # once it is there, all history is, too
    assert len(world.read) == len(set(world.read))


def test_what_a_consumer_has_beyond_is_kept(small: Any) -> None:
    world = fetched_world(c120=PLAIN)
    world.keeps("75", 50, 200, ("A/USDT", "1m"))
    world.keeps("75", 50, NOW + 1, ("A/USDT", "15m"))
    world.keeps("75", 10, 50, ("B/USDT", "1m"))
    files = given(handover.handed_over(small(world), consuming())["75"])
    joined = b"data/75/A_USDT-1m.feather + freqtrade/data/73/A_USDT-1m.feather"
    assert files["freqtrade/data/75/A_USDT-1m.feather"] == joined
    assert set(files) == {
        "freqtrade/data/75/A_USDT-1m.feather",
        "freqtrade/user_data/data/binance/B/USDT-15m",
        "freqtrade/user_data/data/binance/X/USDT-1m",
        "freqtrade/user_data/data/binance/X/USDT-15m",
    }


def test_a_consumer_that_is_fed_already_is_given_nothing(small: Any) -> None:
    world = fetched_world(c75=b"edited", c120=b"edited")
    assert handover.handed_over(small(world), consuming()) == consuming()
    assert world.asked == []


@pytest.mark.parametrize(("ago", "words"), [(None, "is missing"), (901, "ends too early")])
def test_nobody_is_restarted_before_the_producers_have_fetched(small: Any, ago: int | None, words: str) -> None:
    world = fetched_world()
    del world.kept["108"]["B/USDT", "1m"]
    if ago is not None:
        world.keeps("108", 100, NOW - ago * 60_000, ("B/USDT", "1m"))
    with pytest.raises(ChangeError, match=rf"history of B/USDT in 1m {words}") as raised:
        handover.handed_over(small(world), consuming())
    assert raised.value.host == "108"
    assert len(given(handover.handed_over(small(world, dry_run=True), consuming())["75"])) == 5 + (ago is not None)
