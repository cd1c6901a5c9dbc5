"""The bot here is a server that gives the recorded answers of a freqtrade 2026.9."""

import base64
import http.server
import json
import math
import re
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade.candles import CandleSet
from runbook_lib.freqtrade.probes.bot import BotState, bot_state, frames

USER, PASSWORD = "op//erator", 'a,}b"/* c'
ANSWERS = json.loads(Path(__file__).with_name("answers_freqtrade_2026.9.json").read_text())


class Bot(http.server.ThreadingHTTPServer):
    """Keeps what a test changes of a bot's answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.5.3", 0), Handler)
        self.answers = json.loads(json.dumps(ANSWERS))
        self.asked: list[Any] = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bot

    def do_GET(self) -> None:
        self._answer(self.server.answers.get(self.path.removeprefix("/api/v1/")))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        assert self.path == "/api/v1/pair_candles"
        self._answer(self.server.answers["pair_candles"].get(body["pair"]))

    def _answer(self, document: object) -> None:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        allowed = self.path.endswith("/ping") or self.headers["Authorization"] == basic
        text = document if isinstance(document, str) else json.dumps(document)
        self.send_response((200 if document is not None else 502) if allowed else 401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bot() -> Iterator[Bot]:
    with Bot() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def home(here: Any, bot: Bot) -> Any:
    """Write the host's config as operators write them."""
    (here.home / "config.json").write_text(
        '// mine /* not "a comment" */\n{"dry_run": true, /* never\n live */ "note": "see https://x // y",\n'
        f'"api_server": {{"enabled": true, "listen_ip_address": "127.0.5.3", "listen_port": {bot.server_port},\n'
        f'"username": {json.dumps(USER)}, "password": {json.dumps(PASSWORD)}, // secret\n}},\n'
        '"pairs": ["a", /**/ ],\n}\n'
    )
    return here


def test_a_bot_that_runs(home: Any) -> None:
    state = bot_state(home, "config.json")
    assert state.running
    assert (state.host, state.version, state.strategy, state.timeframe) == ("here", "2026.9", "S", "1m")
    assert state.dry_run is True
    assert state.pairs == ("P000/USDT", "P001/USDT")
    assert state.last_process == ANSWERS["health"]["last_process_ts"]
    assert state.words == "RUNNING S on 2 pairs, 1m"


def test_credentials_stay_on_the_host(home: Any, apart: Any) -> None:
    assert home.home == apart.home
    assert bot_state(apart, "config.json").running
    frames(apart, "config.json", ["P001/USDT"], timeframe="1m")
    assert "frames" in apart.output
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert not any(secret in apart.output for secret in (USER, PASSWORD, json.dumps(PASSWORD), basic))


def test_a_bot_that_is_down(home: Any, bot: Bot) -> None:
    text = (home.home / "config.json").read_text().replace(str(bot.server_port), "9")
    (home.home / "config.json").write_text(text)
    state = bot_state(home, "config.json")
    assert not state.running
    assert state.words == "nothing listens on 127.0.5.3:9 (connection refused)"


def test_a_wrong_password(home: Any, bot: Bot) -> None:
    (home.home / "config.json").write_text((home.home / "config.json").read_text().replace(USER, "other"))
    where = f"127.0.5.3:{bot.server_port}"
    assert bot_state(home, "config.json").error == (
        f"the bot on {where} refuses the username and password of its config (401)"
    )


def test_a_bot_that_starts_or_stands_still_is_not_running(home: Any, bot: Bot) -> None:
    bot.answers["show_config"]["state"] = ""
    bot.answers["health"] = bot.answers["whitelist"] = None
    assert bot_state(home, "config.json").words == "the bot answers, but its state is not set yet, not RUNNING"
    bot.answers = {**json.loads(json.dumps(ANSWERS))}
    bot.answers["show_config"]["state"] = "stopped"
    state = bot_state(home, "config.json")
    assert (state.running, state.words) == (False, "the bot answers, but its state is stopped, not RUNNING")


def test_a_bot_before_its_first_loop_is_not_running_yet(home: Any, bot: Bot) -> None:
    bot.answers["health"]["last_process_ts"] = None
    state = bot_state(home, "config.json")
    assert (state.running, state.words) == (False, "the bot is RUNNING, but has not been through its loop yet")


@pytest.mark.parametrize("answer", [{"status": "other"}, "<html>"])
def test_something_else_on_that_port(home: Any, bot: Bot, answer: object) -> None:
    bot.answers["ping"] = answer
    assert "is no freqtrade" in bot_state(home, "config.json").error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "config config.json: No such file or directory"),
        ("{", "config config.json is no valid JSON"),
        ("{}", "config config.json has no enabled api_server"),
        ('{"api_server": {"enabled": false}}', "config config.json has no enabled api_server"),
    ],
)
def test_a_config_that_cannot_be_used(here: Any, text: str | None, words: str) -> None:
    if text is not None:
        (here.home / "config.json").write_text(text)
    assert bot_state(here, "config.json").error.startswith(words)


def test_a_config_that_adds_another(home: Any) -> None:
    """The rest comes from there, and where both say something, the file that adds the other wins, as in freqtrade."""
    text = (home.home / "config.json").read_text()
    port = re.search(r'"listen_port": (\d+)', text)
    assert port is not None
    (home.home / "private.json").write_text(text.replace(port[0], '"listen_port": 1'))
    (home.home / "sub").mkdir()
    main = {"add_config_files": ["../private.json"], "api_server": {"listen_port": int(port[1])}}
    (home.home / "sub" / "config.json").write_text(json.dumps(main))
    assert bot_state(home, "sub/config.json").running


def test_frames_are_exact_and_only_ohlcv(home: Any, bot: Bot) -> None:
    held = frames(home, "config.json", ["P002/USDT", "P001/USDT", "NOPE/USDT"], timeframe="1m", limit=7)
    assert isinstance(held, CandleSet)
    assert list(held.frames) == ["P002/USDT", "P001/USDT", "NOPE/USDT"]
    assert len(held.frames["NOPE/USDT"]) == 0
    table = ANSWERS["pair_candles"]["P001/USDT"]
    frame = held.frames["P001/USDT"]
    assert frame.ohlcv.tolist() == [row[1:6] for row in table["data"]]
    assert frame.dates.tolist() == [row[table["columns"].index("__date_ts")] for row in table["data"]]
    assert np.diff(frame.dates).tolist() == [60_000, 60_000]
    said = datetime.fromisoformat(table["last_analyzed"]).timestamp() * 1000
    assert held.analysed["P001/USDT"] == pytest.approx(said, abs=1)
    assert "NOPE/USDT" not in held.analysed
    columns = ["open", "high", "low", "close", "volume"]
    asked = {"pair": "NOPE/USDT", "timeframe": "1m", "limit": 7, "columns": columns}
    assert asked in bot.asked
    assert len(bot.asked) == 3


def test_every_float_survives_the_way(home: Any, bot: Bot) -> None:
    hard = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, 123456789.12345679, -0.0]
    bot.answers["pair_candles"]["P001/USDT"]["data"][1][1:6] = hard
    bot.answers["pair_candles"]["P001/USDT"]["data"][2][1] = None
    frame = frames(home, "config.json", ["P001/USDT"], timeframe="1m").frames["P001/USDT"]
    assert frame.ohlcv[1].tobytes() == np.array(hard).tobytes()
    assert math.isnan(frame.ohlcv[2, 0])


def test_frames_of_a_bot_that_is_down_or_refuses_are_an_error(home: Any, bot: Bot) -> None:
    bot.answers["pair_candles"]["P001/USDT"] = None
    with pytest.raises(CommandFailed, match=r"here: the bot on .* answers 502 to pair_candles"):
        frames(home, "config.json", ["P001/USDT"], timeframe="1m")


def test_candles_out_of_order_are_an_error(home: Any, bot: Bot) -> None:
    bot.answers["pair_candles"]["P001/USDT"]["data"].reverse()
    with pytest.raises(CommandFailed, match="here: P001/USDT: candle dates do not rise"):
        frames(home, "config.json", ["P001/USDT"], timeframe="1m")


def test_words_of_an_error_win() -> None:
    assert BotState("75", state="running", last_process=1.0, error="no answer").running is False
