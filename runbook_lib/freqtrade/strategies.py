"""The strategy files that the runbook writes on hosts: the producers', the consumers' subclass, the feed itself."""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

from runbook_lib.errors import ParamsError

FEED_DIRECTORY = "candle_feed"
PRODUCER_STRATEGY = "StrategyNone"

_PRODUCER = '''"""Downloads candles for this fleet's consumers and trades nothing. Written by the migration runbook."""

from candle_feed import CandleProducer
from freqtrade.strategy import IStrategy


class StrategyNone(CandleProducer, IStrategy):
    """The timeframe comes from the config."""

    INTERFACE_VERSION = 3
    can_short = False
    minimal_roi = {}
    stoploss = -0.99
    process_only_new_candles = True
'''

_CONSUMER = '''"""{strategy} with its candles from the fleet's producers. Written by the migration runbook."""

import sys

from candle_feed import CandleConsumer

sys.modules.pop("{module}", None)  # on /reload_config freqtrade reads strategies anew; so is the operator's here
from {module} import {strategy}  # noqa: E402


class {fed}(CandleConsumer, {strategy}):
    """Everything but the source of its candles is {strategy}'s own."""
'''


def fed_name(strategy_class: str) -> str:
    """Return the name of the subclass, and of its file without ``.py``."""
    return f"{strategy_class}Fed"


def consumer_module(strategy_class: str, module: str) -> str:
    """Return the text of ``<strategy_class>Fed.py``; ``module`` is the operator's file beside it, without ``.py``."""
    for name in (strategy_class, module):
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ParamsError(
                f"{name!r} cannot be imported", remedy="name the strategy's file and class as Python allows"
            )
    return _CONSUMER.format(strategy=strategy_class, module=module, fed=fed_name(strategy_class))


def producer_module() -> str:
    """Return the text of ``StrategyNone.py``."""
    return _PRODUCER


def feed_files() -> dict[str, str]:
    """Return the feed's own files by their path inside the strategies folder, those of its sub-folders, too."""
    return dict(_files(resources.files("runbook_lib.freqtrade.feed"), FEED_DIRECTORY))


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, f"{path}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{path}/{entry.name}", entry.read_text(encoding="utf-8")
