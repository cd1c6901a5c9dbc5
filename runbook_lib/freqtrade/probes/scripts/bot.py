"""Ask a bot on this host through its own REST API, with the credentials of its own config, which stay here.

Arguments: config (path), ask: "state", or "frames" with pairs, timeframe, limit, threads.
"""

import base64
import gzip
import http.client
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

COLUMNS = ["open", "high", "low", "close", "volume"]
STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
STRING_OR_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)


class Problem(Exception):
    """Something that the operator must read; its text is the answer."""


def read(path: Path) -> dict[str, Any]:
    """Read a config as freqtrade does: comments, trailing commas, and files that it adds, whose settings give way."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Problem("config " + str(path) + ": " + str(error.strerror)) from None
    for pattern in (STRING_OR_COMMENT, STRING_OR_TRAILING_COMMA):
        text = pattern.sub(lambda found: found[1] or "", text)
    try:
        config: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise Problem("config " + str(path) + " is no valid JSON: " + str(error)) from None
    added: dict[str, Any] = {}
    for more in config.get("add_config_files", []):
        added = over(read(path.parent / more), added)
    return over(config, added)


def over(upper: dict[str, Any], lower: dict[str, Any]) -> dict[str, Any]:
    """Lay one config over another."""
    return {**lower, **upper, "api_server": {**lower.get("api_server", {}), **upper.get("api_server", {})}}


class Api:
    """The bot's REST API. One connection a thread, kept open."""

    def __init__(self, config: str) -> None:
        settings = read(Path(config).expanduser()).get("api_server", {})
        if not settings.get("enabled"):
            raise Problem("config " + config + " has no enabled api_server")
        address = settings.get("listen_ip_address", "127.0.0.1")
        self.address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - where to ask a bot that binds so
        self.port = int(settings.get("listen_port", 8080))
        user = str(settings.get("username", "")) + ":" + str(settings.get("password", ""))
        self.headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}
        self.own = threading.local()
        self.lines: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """End all connections."""
        for line in self.lines:
            line.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON that the bot answers; a Problem in words if it does not."""
        line = getattr(self.own, "line", None)
        if line is None:
            line = self.own.line = http.client.HTTPConnection(self.address, self.port, timeout=30)
            self.lines.append(line)
        where = self.address + ":" + str(self.port)
        sent = None if body is None else json.dumps(body)
        try:
            line.request(method, "/api/v1/" + path, sent, {**self.headers, "Content-Type": "application/json"})
            answer = line.getresponse()
            text = answer.read()
        except ConnectionRefusedError:
            raise Problem("nothing listens on " + where + " (connection refused)") from None
        except (OSError, http.client.HTTPException) as error:
            raise Problem("no answer from " + where + ": " + (str(error) or type(error).__name__)) from None
        if answer.status == 401:
            raise Problem("the bot on " + where + " refuses the username and password of its config (401)")
        if answer.status != 200:
            raise Problem("the bot on " + where + " answers " + str(answer.status) + " to " + path)
        try:
            return json.loads(text)
        except ValueError:
            raise Problem("what listens on " + where + " is no freqtrade: its answer is no JSON") from None


def state(api: Api) -> dict[str, Any]:
    """Collect what the bot says of itself."""
    if api.ask("GET", "ping") != {"status": "pong"}:
        raise Problem("what listens on " + api.address + ":" + str(api.port) + " is no freqtrade")
    config = api.ask("GET", "show_config")
    wanted = ("version", "state", "strategy", "timeframe", "dry_run", "exchange", "runmode", "bot_name")
    begun = bool(config.get("state"))  # while the bot starts, its API is up but answers the other questions with errors
    return {
        "config": {key: config.get(key) for key in wanted},
        "health": api.ask("GET", "health") if begun else {},
        "whitelist": api.ask("GET", "whitelist")["whitelist"] if begun else [],
    }


def frame(api: Api, pair: str, timeframe: str, limit: int) -> dict[str, Any]:
    """Candles of one pair; only the columns asked for, the others stay with the bot."""
    wanted = {"pair": pair, "timeframe": timeframe, "limit": limit, "columns": COLUMNS}
    table = api.ask("POST", "pair_candles", wanted)
    if not table["data"]:
        return {**{name: [] for name in ["date", *COLUMNS]}, "analysed": None}
    places = [table["columns"].index(name) for name in ["__date_ts", *COLUMNS]]
    columns = list(zip(*table["data"]))  # noqa: B905 - this Python may be 3.9, which knows no strict
    held = {name: columns[place] for name, place in zip(["date", *COLUMNS], places)}  # noqa: B905 - as above
    return {**held, "analysed": table["last_analyzed"]}


def frames(api: Api, arguments: dict[str, Any]) -> dict[str, Any]:
    """All pairs, a few at a time: the bot has its own work to do."""
    timeframe, limit = arguments["timeframe"], arguments["limit"]
    with ThreadPoolExecutor(arguments["threads"]) as pool:
        held = dict(pool.map(lambda pair: (pair, frame(api, pair, timeframe, limit)), arguments["pairs"]))
    packed = gzip.compress(json.dumps(held, separators=(",", ":")).encode(), 5)
    return {"frames": base64.b64encode(packed).decode()}


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Answer the question, or say why not."""
    try:
        with closing(Api(arguments["config"])) as api:
            return state(api) if arguments["ask"] == "state" else frames(api, arguments)
    except Problem as problem:
        return {"error": str(problem)}
