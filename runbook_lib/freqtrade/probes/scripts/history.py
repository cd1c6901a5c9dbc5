"""Training history, as the host's own freqtrade knows it: what FreqAI needs, what lies there; and joining two parts.

Runs in freqtrade's environment, below freqtrade's directory; writes nothing.
"""

import base64
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

ENOUGH = 0.99  # of the candles between the first and the last; an exchange that stood still leaves a hole


def needs(asked: dict[str, Any]) -> dict[str, Any] | None:
    """Say what FreqAI will load at a start with this config; None where it is off.

    It reaches as far back as ``freqtrade.freqai.utils.get_required_data_timerange`` does.
    """
    from freqtrade.configuration.load_config import load_from_files  # noqa: PLC0415 - only where it is asked for
    from freqtrade.exchange import timeframe_to_seconds  # noqa: PLC0415 - as above
    from freqtrade.resolvers import StrategyResolver  # noqa: PLC0415 - as above

    config = load_from_files([asked["config"]])
    freqai = config.get("freqai") or {}
    if not freqai.get("enabled") or config.get("trading_mode", "spot") != "spot":
        return None
    config["user_data_dir"] = Path(config.get("user_data_dir", "user_data"))
    strategy = StrategyResolver.load_strategy(config)
    features = freqai["feature_parameters"]
    timeframes = list(dict.fromkeys([config.get("timeframe") or strategy.timeframe, *features["include_timeframes"]]))
    startup = int(max(strategy.startup_candle_count, *features["indicator_periods_candles"]) * 1.5)
    return {
        "whitelist": config["exchange"]["pair_whitelist"],
        "correlated": features.get("include_corr_pairlist", []),
        "timeframes": timeframes,
        "seconds": freqai.get("train_period_days", 0) * 86400 + startup * max(map(timeframe_to_seconds, timeframes)),
        "data": str(config["user_data_dir"] / "data" / config["exchange"]["name"].lower()),
        "format": config.get("dataformat_ohlcv", "feather"),
    }


def held(asked: dict[str, Any]) -> list[list[Any]]:
    """Say of each series where its file is, and its first and last candle (unix ms) and their number, if it is there.

    ``data``: the folder; ``format``; ``series``: pairs with their timeframes.
    """
    from freqtrade.data.history.datahandlers import get_datahandler  # noqa: PLC0415 - as above
    from freqtrade.enums import CandleType  # noqa: PLC0415 - as above

    handler, found = get_datahandler(Path(asked["data"]), asked["format"]), []
    for pair, timeframe in asked["series"]:
        path = handler._pair_data_filename(handler._datadir, pair, timeframe, CandleType.SPOT)  # noqa: SLF001 - the name
        first, last, rows = 0.0, 0.0, 0
        if path.is_file():
            begin, end, rows = handler.ohlcv_data_min_max(pair, timeframe, CandleType.SPOT)
            first, last = begin.timestamp(), end.timestamp()
        found.append([str(path), round(first * 1000), round(last * 1000), rows])
    return found


def whole(asked: dict[str, Any]) -> bool:
    """Whether all series are there: back to ``days`` ago, unless asked for and younger; without holes; up to now.

    ``behind``: how many candles the last one may be behind.
    """
    from freqtrade.exchange import timeframe_to_seconds  # noqa: PLC0415 - as above

    noted = Path(asked["data"], "days")
    got = int(noted.read_text()) if noted.is_file() else 0
    now = time.time() * 1000
    for (_, timeframe), (_, first, last, rows) in zip(asked["series"], held(asked), strict=True):
        step = timeframe_to_seconds(timeframe) * 1000
        far = got >= asked["days"] or first <= now - asked["days"] * 86_400_000
        if not rows or not far or rows < ENOUGH * ((last - first) / step + 1) or last < now - asked["behind"] * step:
            return False
    return True


def join(asked: dict[str, Any]) -> str:
    """Return the file at ``path`` up to where ``newer`` begins, and all of ``newer``; both feather, base64."""
    import pandas as pd  # noqa: PLC0415 - as above

    newer = pd.read_feather(io.BytesIO(base64.b64decode(asked["newer"])))
    older = pd.read_feather(asked["path"])
    joined = pd.concat([older[older["date"] < newer["date"].iloc[0]], newer], ignore_index=True)
    file = io.BytesIO()
    joined.to_feather(file, compression_level=9, compression="lz4")  # as freqtrade writes it
    return base64.b64encode(file.getvalue()).decode()


def main(asked: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Answer what is asked; ``directory``: freqtrade's, relative to the login's home."""
    sys.dont_write_bytecode = True  # beside the operator's strategies
    os.chdir(asked["directory"])
    answers = {"needs": needs, "held": held, "join": join, "whole": whole}
    return answers[asked["what"]](asked)
