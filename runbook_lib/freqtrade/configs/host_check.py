"""Runs on a host, by that host's freqtrade: ``python - CONFIG... < host_check.py``. Prints one line of JSON.

It needs nothing but the standard library and freqtrade, and changes nothing. What it prints never holds a value of a
config, for values may be secrets: freqtrade's own messages do (it logs a refused config whole), so schema errors are
put in words here, and of a syntax error only the place is told.

    {"freqtrade": "2026.9", "python": "3.11.2", "error": null, "known_keys": {...},
     "configs": {"user_data/config.json": {"errors": [...], "warnings": [...], "left_to_strategy": [...]}}}
"""

from __future__ import annotations

import json
import logging
import platform
import sys
from typing import Any

# what freqtrade demands of a trading bot but takes from the strategy where the config says nothing
STRATEGY_SAYS = {"timeframe": "5m", "stoploss": -0.1, "minimal_roi": {"0": 10.0}, "max_open_trades": 1}


class Warnings(logging.Handler):
    """Keeps freqtrade's warnings (deprecations, mostly) and drops the rest: errors are told without their values."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning."""
        if record.levelno == logging.WARNING:
            self.messages.append(record.getMessage())


def known_keys(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - a tree
    """Return the keys that ``schema`` knows: a tree of objects, [tree] for a list of objects, None where all goes."""
    if "$ref" in schema:
        return known_keys(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "properties" in schema:
        return {key: known_keys(inner, definitions) for key, inner in schema["properties"].items()}
    items = schema.get("items")
    if isinstance(items, dict):
        inner = known_keys(items, definitions)
        return [inner] if inner else None
    return None


def schema_errors(config: dict[str, Any]) -> list[str]:
    """Return what the schema of a trading bot does not allow, without the values."""
    from freqtrade.config_schema.config_schema import CONF_SCHEMA, SCHEMA_TRADE_REQUIRED  # noqa: PLC0415 - see main
    from freqtrade.configuration.config_validation import FreqtradeValidator  # noqa: PLC0415 - see main

    schema = {**CONF_SCHEMA, "required": SCHEMA_TRADE_REQUIRED}
    problems = []
    for error in FreqtradeValidator(schema).iter_errors(config):
        where = ".".join(str(part) for part in error.absolute_path) or "(the config as a whole)"
        # "'username' is a required property" names a key; every other message quotes the value
        says = error.message if error.validator == "required" else f"breaks {error.validator} {error.validator_value}"
        problems.append(f"{where}: {says}")
    return problems


def check(path: str, warnings: Warnings) -> dict[str, Any]:
    """Validate one config as the bot itself would after loading its strategy."""
    from freqtrade.configuration.config_validation import validate_config_consistency  # noqa: PLC0415 - see main
    from freqtrade.configuration.load_config import load_from_files  # noqa: PLC0415 - see main
    from freqtrade.enums import RunMode  # noqa: PLC0415 - see main
    from freqtrade.exceptions import FreqtradeException  # noqa: PLC0415 - see main

    warnings.messages = []
    left: list[str] = []
    try:
        config = load_from_files([path])
        config.setdefault("internals", {})
        left = [key for key in STRATEGY_SAYS if key not in config]
        config.update({key: STRATEGY_SAYS[key] for key in left})
        errors = schema_errors(config)
        if not errors:
            config["runmode"] = RunMode.DRY_RUN if config.get("dry_run", True) else RunMode.LIVE
            validate_config_consistency(config)
    except FreqtradeException as error:
        errors = [str(error).partition("\n")[0]]  # the lines after the first quote the file
    except OSError as error:
        errors = [f"cannot be read: {error.strerror}"]
    return {"errors": errors, "warnings": warnings.messages, "left_to_strategy": left}


def stand_in(candidates: dict[str, str]) -> None:
    """Let freqtrade read these texts where it would read these paths: a config is judged before it is put in place."""
    import rapidjson  # noqa: PLC0415 - freqtrade's own parser
    from freqtrade.configuration import load_config  # noqa: PLC0415 - see main
    from freqtrade.exceptions import OperationalException  # noqa: PLC0415 - see main

    read = load_config.load_config_file

    def load(path: str) -> dict[str, Any]:
        if path not in candidates:
            return dict(read(path))
        try:
            return dict(rapidjson.loads(candidates[path], parse_mode=load_config.CONFIG_PARSE_MODE))
        except rapidjson.JSONDecodeError as error:
            raise OperationalException(f"{error}".partition("\n")[0]) from None

    load_config.load_config_file = load


def main(asked: dict[str, str | None]) -> dict[str, Any]:
    """Check every config; a freqtrade that cannot be imported is an answer, too.

    ``asked``: path -> the text that is to stand there, or None for what stands there now.
    """
    answer: dict[str, Any] = {"freqtrade": None, "python": platform.python_version(), "error": None}
    try:
        from freqtrade import __version__  # noqa: PLC0415 - its absence is one of the answers
        from freqtrade.config_schema.config_schema import CONF_SCHEMA  # noqa: PLC0415 - as above
    except ImportError as error:
        return answer | {"error": f"freqtrade cannot be imported: {error}", "known_keys": {}, "configs": {}}
    warnings = Warnings()
    logging.basicConfig(handlers=[warnings], level=logging.WARNING, force=True)
    tree = known_keys(CONF_SCHEMA, CONF_SCHEMA["definitions"])
    stand_in({path: text for path, text in asked.items() if text is not None})
    configs = {path: check(path, warnings) for path in asked}
    return answer | {"freqtrade": __version__, "known_keys": tree, "configs": configs}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(dict.fromkeys(sys.argv[1:]))) + "\n")
