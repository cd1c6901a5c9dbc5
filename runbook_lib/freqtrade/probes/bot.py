"""What a bot says of itself and which candles it holds, asked on its own host through its REST API."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from runbook_lib.errors import CommandFailed
from runbook_lib.freqtrade.candles import COLUMNS, CandleSet, Frame
from runbook_lib.freqtrade.probes.script import PythonHost, ask


@dataclass(frozen=True, slots=True)
class BotState:
    """A bot as its own REST API shows it. ``error`` is empty only if all was answered; then the rest is known.

    ``last_process``, ``started``: unix seconds of the host's clock, None if the bot has not got that far.
    """

    host: str
    state: str = ""
    version: str = ""
    strategy: str = ""
    timeframe: str = ""
    dry_run: bool | None = None
    last_process: float | None = None
    started: float | None = None
    pairs: tuple[str, ...] = ()
    error: str = ""

    @property
    def running(self) -> bool:
        """Whether the bot answers, is in state RUNNING and has been through its loop at least once."""
        return not self.error and self.state == "running" and self.last_process is not None

    @property
    def words(self) -> str:
        """Say in a few words how the bot is."""
        if self.error:
            return self.error
        if self.state != "running":
            return f"the bot answers, but its state is {self.state or 'not set yet'}, not RUNNING"
        if self.last_process is None:
            return "the bot is RUNNING, but has not been through its loop yet"
        return f"RUNNING {self.strategy} on {len(self.pairs)} pairs, {self.timeframe}"


def bot_state(session: PythonHost, config: str) -> BotState:
    """Ask the bot whose config is ``config`` (a path on the host) how it is. A bot that is down is an answer too."""
    return parse_state(session.name, ask(session, "bot", {"config": config, "ask": "state"}, deadline=60))


def parse_state(host: str, answer: dict[str, Any]) -> BotState:
    """Answer of the script -> state."""
    if "error" in answer:
        return BotState(host, error=answer["error"])
    said, health = answer["config"], answer["health"]
    return BotState(
        host=host,
        state=str(said["state"] or "").lower(),
        version=said["version"] or "",
        strategy=said["strategy"] or "",
        timeframe=said["timeframe"] or "",
        dry_run=said["dry_run"],
        last_process=health.get("last_process_ts"),
        started=health.get("bot_start_ts"),
        pairs=tuple(answer["whitelist"]),
    )


def frames(  # noqa: PLR0913 - named settings of one question
    session: PythonHost,
    config: str,
    pairs: Sequence[str],
    *,
    timeframe: str,
    limit: int = 1500,
    threads: int = 2,
    deadline: float = 180.0,
) -> CandleSet:
    """Return the newest ``limit`` candles that the bot holds of each pair, bit for bit.

    Only the strategy's own timeframe is to be had. A pair that the bot has not analysed yet has no candles.
    """
    given = {
        "config": config,
        "ask": "frames",
        "pairs": list(pairs),
        "timeframe": timeframe,
        "limit": limit,
        "threads": threads,
    }
    return parse_frames(session.name, ask(session, "bot", given, deadline=deadline))


def parse_frames(host: str, answer: dict[str, Any]) -> CandleSet:
    """Answer of the script -> candles."""
    if "error" in answer:
        raise CommandFailed(answer["error"], remedy="see that the bot runs and its api_server is enabled", host=host)
    tables = json.loads(gzip.decompress(base64.b64decode(answer["frames"])))
    return CandleSet(
        host,
        {pair: _frame(host, pair, table) for pair, table in tables.items()},
        {pair: _unix_ms(table["analysed"]) for pair, table in tables.items() if table["analysed"]},
    )


def _unix_ms(iso: str) -> int:
    """Read a time as freqtrade's REST API writes it, with its zone."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def _frame(host: str, pair: str, table: dict[str, list[Any]]) -> Frame:
    """Build a frame; null is how freqtrade's REST API writes NaN and infinity."""
    ohlcv = np.array([table[name] for name in COLUMNS], dtype=np.float64).T
    try:
        return Frame(np.array(table["date"], dtype=np.int64), np.ascontiguousarray(ohlcv))
    except ValueError as error:
        remedy = "the bot holds broken candles: read its log before going on"
        raise CommandFailed(f"{pair}: {error}", remedy=remedy, host=host) from None
