"""An operator's existing config, edited so that its bot is fed by the producers. Everything else stays as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.access import ProducerAccess
from runbook_lib.freqtrade.configs.edit import put, same
from runbook_lib.freqtrade.configs.parse import ConfigText, read_config
from runbook_lib.freqtrade.configs.producer import REQUEST_LOG, feed_sections
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.request_log import request_log_config
from runbook_lib.freqtrade.strategies import fed_name

CANDLE_LISTS = frozenset(
    {"AgeFilter", "PercentChangePairList", "RangeStabilityFilter", "VolatilityFilter", "VolumePairList"}
)
"""freqtrade's pair lists that look at candles: it fills them once before it starts the strategy, and so the feed."""
_KEPT = "; the original is kept on the host"
Settings = list[tuple[tuple[str, ...], Any]]


@dataclass(frozen=True, slots=True)
class ConsumerEdit:
    """An edited config. ``strategy``: the operator's own, which the bot named before and which is never edited.

    ``notes``: what the operator should know, in words: what the original has and they will miss, and what still costs
    the exchange requests.
    """

    text: str = field(repr=False)  # holds the producers' tokens
    strategy: str
    notes: tuple[str, ...] = ()

    @property
    def fed_strategy(self) -> str:
        """The subclass of the operator's strategy that the edited config names."""
        return fed_name(self.strategy)


def consumer_config(
    original: str, *, site: FreqtradeSite, host: str, producers: Mapping[str, ProducerAccess]
) -> ConsumerEdit:
    """Edit ``original``, the config of the consumer on ``host``; ``producers``: by host, in the site's order.

    The same bytes come out when an edited config is edited again with the same producers.

    ``exchange.only_from_ccxt`` is left as the operator has it: with it on, FreqAI's training history would move from
    the exchange's bulk-data site to its rate-limited API, thousands of calls more, and that is the operator's choice.
    Raises ParamsError if freqtrade could not read the config, if it names no strategy, or if its bot could not run so.
    """
    where = site.consumers[host].config
    before = read_config(original, where=where)
    strategy = _strategy(before, where, host)
    _refuse_pairs_of_producers(before, where, host)
    settings = _settings(site, strategy, producers, log=REQUEST_LOG if "log_config" not in before.data else None)
    text = original
    for path, value in settings:
        text = put(text, path, value)
    after = read_config(text, where=where)
    if not same(after.data, _wanted(before.data, settings)):
        raise ParamsError(
            f"{where}: the edited text does not say what it should",
            remedy="write the settings in by hand and report the config, without its secrets",
            host=host,
        )
    return ConsumerEdit(text, strategy, (*_losses(before, after), *_asked_beside(before)))


def _settings(site: FreqtradeSite, strategy: str, producers: Mapping[str, ProducerAccess], log: str | None) -> Settings:
    settings: Settings = [
        (("strategy",), fed_name(strategy)),
        # the websocket path would go round the feed
        (("exchange", "enable_ws"), False),
        *(((section,), value) for section, value in feed_sections(site, producers).items()),
    ]
    if log is not None:
        settings.append((("log_config",), request_log_config(log)))
    return settings


def _strategy(config: ConfigText, where: str, host: str) -> str:
    """Return the operator's own strategy, also from a config that was edited before."""
    name = config.data.get("strategy")
    if not isinstance(name, str) or not name:
        elsewhere = "add_config_files" in config.data
        raise ParamsError(
            f"{where} names no strategy" + (" itself (it also reads other files)" if elsewhere else ""),
            remedy="name it there, and take --strategy off the command line, which would win over the config",
            host=host,
        )
    return name.removesuffix(fed_name("")) if "candle_feed" in config.data else name


def _refuse_pairs_of_producers(config: ConfigText, where: str, host: str) -> None:
    """Refuse a bot that trades what producers trade: without freqtrade's own consumer it would not even start."""
    if "ProducerPairList" in _pair_lists(config):
        raise ParamsError(
            f"{where} takes its pairs from producers (ProducerPairList), which the feed does not tell",
            remedy="name its pairs in exchange.pair_whitelist, with StaticPairList",
            host=host,
        )


def _pair_lists(config: ConfigText) -> list[object]:
    return [each.get("method") for each in config.data.get("pairlists") or [] if isinstance(each, Mapping)]


def _asked_beside(config: ConfigText) -> Iterator[str]:
    asking = [str(method) for method in _pair_lists(config) if method in CANDLE_LISTS]
    if asking:
        yield f"{', '.join(asking)} asks the exchange for candles as the bot starts, before the feed does"


def _losses(before: ConfigText, after: ConfigText) -> Iterator[str]:
    lost = [comment for comment, _ in (Counter(before.comments) - Counter(after.comments)).items()]
    if lost:
        yield f"comments that stood inside a setting that is replaced whole go: {' '.join(lost)}{_KEPT}"
    listened = before.data.get("external_message_consumer")
    if isinstance(listened, Mapping) and listened.get("enabled"):
        names = [str(each.get("name")) for each in listened.get("producers") or [] if isinstance(each, Mapping)]
        yield f"it no longer listens to {', '.join(names) or 'producers of its own'} by freqtrade's own consumer{_KEPT}"


def _wanted(data: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Make the same changes to plain data, to hold the edited text against."""
    wanted = deepcopy(data)
    for path, value in settings:
        owner = wanted
        for key in path[:-1]:
            owner = owner.setdefault(key, {})
        owner[path[-1]] = value
    return wanted
