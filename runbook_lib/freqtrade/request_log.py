"""The log a bot keeps of its own calls to the exchange: how to switch it on, and what one line of it says.

freqtrade hands ``log_config`` to `logging.config.dictConfig` in place of its own set-up, so what it does by default
(coloured console on stderr, which is the journal's) is repeated here. ccxt logs every call twice to
``ccxt.base.exchange`` at DEBUG: ``"%s %s, Request: %s %s"`` with method, URL, headers, body, and
``"%s %s, Response: %s %s %s"`` with method, URL, status, headers, body. Headers can hold an API key and bodies are
100 kB and more, so the format takes the parts by their place: no header and no body ever reaches the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

CCXT_LOGGER = "ccxt.base.exchange"
# unix time, method, status (or the first three characters of the request's headers), URL; about 130 bytes
LINE = "{created:.3f} {args[0]} {args[2]!s:.3} {args[1]:.300}"
MAX_BYTES = 20_000_000
OLDER_FILES = 2

FREQTRADE_DEFAULT: Mapping[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "basic": {"format": "%(message)s"},
        "standard": {"format": "%(asctime)s - %(name)s - %(levelname)s - %(message)s"},  # what --logfile asks for
    },
    "handlers": {"console": {"class": "freqtrade.loggers.ft_rich_handler.FtRichHandler", "formatter": "basic"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}


def request_log_config(path: str, existing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the ``log_config`` that keeps a request log at ``path`` and leaves all other logging as it is.

    ``path`` is taken from the bot's working directory unless absolute; freqtrade makes its directory. ``existing``: the
    ``log_config`` the bot has already, kept and added to. The log takes 60 MB of disk at most (three files of 20 MB),
    about a week of 110 pairs at 5 m.
    """
    config: dict[str, Any] = deepcopy(dict(existing if existing is not None else FREQTRADE_DEFAULT))
    config.setdefault("disable_existing_loggers", False)
    config.setdefault("formatters", {})["requests"] = {"format": LINE, "style": "{"}
    config.setdefault("handlers", {})["requests"] = {
        "class": "logging.handlers.RotatingFileHandler",
        "formatter": "requests",
        "filename": path,
        "maxBytes": MAX_BYTES,
        "backupCount": OLDER_FILES,
        "encoding": "utf-8",
    }
    # Not passed on to the root logger: its handlers, among them the last 1000 records freqtrade keeps in memory for its
    # REST API, take whatever level arrives, and would hold every body whole.
    config.setdefault("loggers", {})[CCXT_LOGGER] = {"level": "DEBUG", "handlers": ["requests"], "propagate": False}
    return config
