import json
import subprocess
import sys
from pathlib import Path

from runbook_lib.freqtrade.request_log import CCXT_LOGGER, FREQTRADE_DEFAULT, request_log_config

KEY = "the-api-key-that-must-not-be-written"

# What ccxt does, in a process of its own: dictConfig would take pytest's own handlers away.
BOT = """
import json, logging, logging.config, sys
config = json.load(sys.stdin)
console = config["handlers"]["console"]
console["class"] = "logging.StreamHandler"
logging.config.dictConfig(config)
ccxt = logging.getLogger("ccxt.base.exchange")
url = "http://127.0.0.1:1/api/v3/klines?interval=5m&limit=1000&symbol=ADAUSDT"
ccxt.debug("%s %s, Request: %s %s", "GET", url, {"X-MBX-APIKEY": sys.argv[1]}, None)
ccxt.debug("%s %s, Response: %s %s %s", "GET", url, 200, {"X-MBX-USED-WEIGHT-1M": "2"}, "[" + "x" * 200000 + "]")
ccxt.debug("%s %s, Response: %s %s %s", "GET", url, 403, {}, "<html>\\n" + sys.argv[1])
logging.getLogger("freqtrade.worker").info("the bot is heard")
"""


def _run(config: dict[str, object]) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BOT, KEY],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


def test_one_short_line_a_request_and_one_a_response(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    console = _run(request_log_config(str(log)))
    lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
    assert [rest for _, rest in lines] == [
        "GET {'X http://127.0.0.1:1/api/v3/klines?interval=5m&limit=1000&symbol=ADAUSDT",
        "GET 200 http://127.0.0.1:1/api/v3/klines?interval=5m&limit=1000&symbol=ADAUSDT",
        "GET 403 http://127.0.0.1:1/api/v3/klines?interval=5m&limit=1000&symbol=ADAUSDT",
    ]
    assert all(float(when) > 1.7e9 for when, _ in lines)
    assert console == "the bot is heard\n"


def test_no_header_and_no_body_reaches_the_file(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    console = _run(request_log_config(str(log)))
    assert KEY not in log.read_text() + console
    assert log.stat().st_size < 1000


def test_what_the_operator_logs_already_stays(tmp_path: Path) -> None:
    existing = {
        "version": 1,
        "formatters": {"mine": {"format": "mine %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "mine"}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {"freqtrade.worker": {"level": "INFO"}},
    }
    before = json.dumps(existing)
    config = request_log_config(str(tmp_path / "requests.log"), existing)
    assert json.dumps(existing) == before
    assert config["loggers"]["freqtrade.worker"] == {"level": "INFO"}
    assert _run(config) == "mine the bot is heard\n"


def test_the_disk_cannot_fill() -> None:
    handler = request_log_config("x.log")["handlers"]["requests"]
    assert handler["class"] == "logging.handlers.RotatingFileHandler"
    assert handler["maxBytes"] * (handler["backupCount"] + 1) == 60_000_000


def test_each_call_gives_a_config_of_its_own() -> None:
    request_log_config("x.log")["root"]["handlers"].append("other")
    assert FREQTRADE_DEFAULT["root"]["handlers"] == ["console"]
    assert CCXT_LOGGER not in FREQTRADE_DEFAULT.get("loggers", {})
