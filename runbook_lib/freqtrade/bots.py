"""The bots of a site: where each one's files lie on its host, and whether it runs and holds its candles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runbook_lib.errors import RunbookError
from runbook_lib.fleet import Fleet, Session
from runbook_lib.freqtrade import probes
from runbook_lib.freqtrade.candles import CandleSet, newest_age, timeframe_ms
from runbook_lib.freqtrade.configs.producer import REQUEST_LOG, producer_config_path
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.gates import holds, reported
from runbook_lib.values import Check
from runbook_lib.view.progress import Reporter, wait_until

NEWEST = 3  # candles; enough to see whether a bot keeps up
ASK_EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot. Paths are those that the login sees."""

    host: str
    config: str
    unit: str
    pairs: tuple[str, ...]
    request_log: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a bot stands: what it says of itself, and which pairs it holds no fresh candle of."""

    state: probes.BotState
    behind: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether it runs and is behind with no pair."""
        return self.state.running and not self.behind


def feeders(site: FreqtradeSite) -> dict[str, Bot]:
    """Return the bots that download today and are fed afterwards, by host."""
    return {
        host: Bot(
            host,
            in_directory(site, consumer.config),
            consumer.unit,
            tuple(site.pairs),
            in_directory(site, REQUEST_LOG),
        )
        for host, consumer in site.consumers.items()
    }


def producers(site: FreqtradeSite) -> dict[str, Bot]:
    """Return the data producers, by host."""
    return {
        host: Bot(
            host,
            in_directory(site, producer_config_path(host)),
            producer.unit,
            tuple(producer.pairs),
            in_directory(site, REQUEST_LOG),
        )
        for host, producer in site.producers.items()
    }


def in_directory(site: FreqtradeSite, path: str) -> str:
    """Return a path below freqtrade's directory as the login sees it."""
    return f"{site.freqtrade.directory}/{path}"


def await_ready(fleet: Fleet, site: FreqtradeSite, bots: Mapping[str, Bot], reporter: Reporter) -> list[Check]:
    """Wait until each bot runs and holds fresh candles, ``gates.start_seconds`` at most; say how it ended."""
    seconds = site.gates.start_seconds
    answers: dict[str, Standing | RunbookError] = {}

    def all_ready() -> bool:
        waiting = [host for host in bots if not _is_ready(answers.get(host))]
        found = fleet.on_all(lambda session: standing(session, site, bots[session.name]), waiting)
        for host, result in found.items():
            answers[host] = result.error if result.error is not None else result.unwrap()
        return all(_is_ready(answer) for answer in answers.values())

    what = f"the bots of {', '.join(bots)} to run and hold fresh candles"
    wait_until(what, all_ready, seconds=seconds, every=ASK_EVERY_SECONDS, reporter=reporter)
    return [_check(host, answers[host], bots[host], seconds) for host in bots]


def _is_ready(answer: Standing | RunbookError | None) -> bool:
    return isinstance(answer, Standing) and answer.ready


def standing(session: Session, site: FreqtradeSite, bot: Bot) -> Standing:
    """Ask one bot how it stands. Fresh: not more than one candle older than the newest closed one."""
    state = probes.bot_state(session, bot.config)
    if not state.running:
        return Standing(state, bot.pairs)
    held = newest(session, site, bot)
    now_ms = round(probes.clock(session, times=1).said * 1000)
    limit = 2 * timeframe_ms(site.freqtrade.timeframe) / 1000
    ages = newest_age(held, now_ms, site.freqtrade.timeframe)
    return Standing(state, tuple(pair for pair in bot.pairs if ages[pair] > limit))


def newest(session: Session, site: FreqtradeSite, bot: Bot, limit: int = NEWEST) -> CandleSet:
    """Return the newest candles that a bot holds."""
    return probes.frames(session, bot.config, bot.pairs, timeframe=site.freqtrade.timeframe, limit=limit)


def _check(host: str, answer: Standing | RunbookError, bot: Bot, seconds: float) -> Check:
    expected = f"runs and holds fresh candles of {len(bot.pairs)} pairs"
    if isinstance(answer, RunbookError):
        return reported("bot ready", answer, expected=expected)
    behind = f", behind with {len(answer.behind)} pairs, {answer.behind[0]} first" if answer.behind else ""
    return holds(
        "bot ready",
        answer.ready,
        expected=expected,
        observed=f"{answer.state.words}{behind or ', holds them all'}",
        host=host,
        remedy=f"it had {seconds:.0f} s: read the journal of {bot.unit} on the host",
    )


def without_log(bot: Bot) -> Bot:
    """Return a bot that does not run yet, and so keeps no log of its requests."""
    return replace(bot, request_log="")
