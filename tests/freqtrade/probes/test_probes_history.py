"""Asked of the freqtrade that the lab's hosts run: what FreqAI needs, and what lies in files of candles."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.history import Folder, Kept
from runbook_lib.freqtrade.probes.history import Historian, whole

pytestmark = pytest.mark.bots  # freqtrade's imports take seconds

STRATEGY = """
from freqtrade.strategy import IStrategy
class Mine(IStrategy):
    timeframe, minimal_roi, stoploss, startup_candle_count = "5m", {"0": 10}, -0.9, 40
    def populate_indicators(self, dataframe, metadata):
        return dataframe
    populate_entry_trend = populate_exit_trend = populate_indicators
"""
FREQAI = {
    "enabled": True,
    "train_period_days": 3,
    "feature_parameters": {
        "include_timeframes": ["15m", "4h"],
        "include_corr_pairlist": ["X/USDT"],
        "indicator_periods_candles": [10, 20],
    },
}
CONFIG = {
    "strategy": "Mine",
    "dry_run": True,
    "stake_currency": "USDT",
    "exchange": {"name": "binance", "pair_whitelist": [".*/USDT"]},
    "freqai": FREQAI,
}
WRITE = """
import sys
import pandas as pd
from pathlib import Path
def main(asked):
    dates = pd.date_range("2026-01-01", periods=asked["rows"], freq="5min", tz="UTC")[asked["skip"]:]
    dates = dates if not asked["now"] else dates + (pd.Timestamp.now(tz="UTC").floor("5min") - dates[-1])
    values = {name: [asked["value"]] * len(dates) for name in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame({"date": dates.as_unit("ms"), **values})
    Path(asked["path"]).parent.mkdir(parents=True, exist_ok=True)
    frame.drop(frame.index[asked["hole"]]).to_feather(asked["path"], compression="lz4")
    return [int(frame["date"].iloc[0].timestamp() * 1000), int(frame["date"].iloc[-1].timestamp() * 1000)]
"""
READ = """
import pandas as pd
def main(path):
    frame = pd.read_feather(path)
    return [len(frame), frame["close"].tolist()[:: max(1, len(frame) - 1)], bool(frame["date"].is_monotonic_increasing)]
"""


class Host:
    """This machine; its home is a test's own."""

    name = "here"

    def __init__(self, home: Path) -> None:
        self.home = home

    def python(
        self, script: str, arguments: object = None, *, interpreter: str = "python", deadline: float | None = None
    ) -> Any:
        text = f"{script}\nimport json\nprint(json.dumps(main(json.loads({json.dumps(arguments)!r}))))\n"
        done = subprocess.run(
            [interpreter, "-I", "-"],
            input=text,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def python() -> str:
    root = Path(__file__).parents[3]
    found = Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", root / ".venv/freqtrade/bin/python"))
    if not found.exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    return str(found)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "ft/user_data/strategies").mkdir(parents=True)
    (tmp_path / "ft/user_data/strategies/mine.py").write_text(STRATEGY)
    return Host(tmp_path)


@pytest.fixture
def historian(host: Host, python: str) -> Historian:
    return Historian(host, "ft", python)


@pytest.fixture
def write(host: Host, python: str) -> Callable[..., list[int]]:
    def writing(name: str, rows: int, *, skip: int = 0, value: float = 1.0, now: bool = False, hole: Any = ()) -> Any:
        asked = {"path": f"ft/{name}", "rows": rows, "skip": skip, "value": value, "now": now, "hole": list(hole)}
        return host.python(WRITE, asked, interpreter=python)

    return writing


def test_what_freqai_needs_is_computed_as_freqtrade_does(host: Host, historian: Historian) -> None:
    (host.home / "ft/config.json").write_text("// mine\n" + json.dumps(CONFIG))
    need = historian.needs("config.json")
    assert need is not None
    assert need.pairs == (".*/USDT", "X/USDT")
    assert need.timeframes == ("5m", "15m", "4h")  # the strategy's own first
    assert need.seconds == 3 * 86_400 + 60 * 4 * 3600  # 40 candles of startup, half as many to spare
    assert need.folder == Folder("user_data/data/binance", "feather")
    assert not list(host.home.rglob("__pycache__"))
    assert not (host.home / "ft/user_data/data").exists()
    (host.home / "ft/off.json").write_text(json.dumps(CONFIG | {"freqai": {**FREQAI, "enabled": False}}))
    assert historian.needs("off.json") is None


def test_files_are_read_joined_and_found_whole_or_not(
    host: Host, historian: Historian, python: str, write: Callable[..., list[int]]
) -> None:
    folder = Folder("data", "feather")
    first, last = write("data/A_USDT-5m.feather", 100)
    held = historian.held(folder, [("A/USDT", "5m"), ("B/USDT", "5m")])
    assert held["A/USDT", "5m"] == Kept("data/A_USDT-5m.feather", first, last, 100)
    assert held["B/USDT", "5m"] == Kept("data/B_USDT-5m.feather", 0, 0, 0)

    write("newer", 130, skip=60, value=2.0)
    joined = host.home / "ft/joined"
    joined.write_bytes(historian.join("data/A_USDT-5m.feather", (host.home / "ft/newer").read_bytes()))
    assert host.python(READ, str(joined), interpreter=python) == [130, [1.0, 2.0], True]

    def found(**changed: object) -> bool:
        asked = {"data": "new", "format": "feather", "series": [("A/USDT", "5m")], "days": 1, "behind": 3, **changed}
        command = whole("ft", python, asked)
        return subprocess.run(command, shell=True, cwd=host.home, capture_output=True, check=False).returncode == 0  # noqa: S602 - as a host does

    assert not found()
    write("new/A_USDT-5m.feather", 300, now=True)
    assert found()
    assert not found(days=2)
    (host.home / "ft/new/days").write_text("2\n")  # asked for, and younger than that
    assert found(days=2)
    assert not found(series=[("A/USDT", "5m"), ("B/USDT", "5m")])
    write("new/A_USDT-5m.feather", 300, now=True, hole=range(50, 60))
    assert not found()
    write("new/A_USDT-5m.feather", 300)
    assert time.time() > 1_767_300_000  # what was written last ends then
    assert not found()
