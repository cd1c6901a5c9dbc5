"""Does a config say what its author meant? freqtrade's own schema, as the host has it, and the keys it lets pass.

A host judges its configs with its own freqtrade (`HOST_SCRIPT`), since versions differ; which keys are unknown and
which settings do harm is judged here, from the tree of known keys that the host sends along.
"""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from runbook_lib.errors import HostError
from runbook_lib.freqtrade.configs.known import READ_THOUGH_UNLISTED, WRITTEN_IN_VAIN
from runbook_lib.secrets import is_placeholder

HOST_SCRIPT = files("runbook_lib.freqtrade.configs").joinpath("host_check.py").read_text(encoding="utf-8")
"""Fed to ``<freqtrade's python> - CONFIG...`` on its standard input; its output goes to `read_host_check`."""

KNOWN_DEFAULT_JWT_KEYS = ("somethingRandomSomethingRandom123", "super-secret")  # freqtrade's own, known to everybody
Tree = Any


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """What a host's freqtrade says of one config. ``left_to_strategy``: settings that it leaves to the strategy."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    left_to_strategy: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostCheck:
    """What a host says of its freqtrade and of its configs, by the paths it was asked about."""

    freqtrade: str
    python: str
    known_keys: Tree
    configs: Mapping[str, ConfigCheck]


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """A key that freqtrade ignores. ``path``: dotted; ``suggestion``: what was probably meant, or empty."""

    path: str
    suggestion: str = ""

    def __str__(self) -> str:
        return f"{self.path}: freqtrade ignores it" + (f"; {self.suggestion}" if self.suggestion else "")


def read_host_check(output: str, *, host: str) -> HostCheck:
    """Read what `HOST_SCRIPT` printed on ``host``; raise HostError if its freqtrade cannot be used."""
    line = next((line for line in reversed(output.splitlines()) if line.startswith("{")), "")
    try:
        answer = json.loads(line)
        configs = {
            path: ConfigCheck(*(tuple(found[part]) for part in ("errors", "warnings", "left_to_strategy")))
            for path, found in answer["configs"].items()
        }
        error, version, python, keys = (answer[part] for part in ("error", "freqtrade", "python", "known_keys"))
    except (ValueError, KeyError):
        raise HostError(
            "freqtrade's Python did not answer the config check",
            remedy="run it on the host: python -c 'import freqtrade'",
            host=host,
        ) from None
    if error or not version:
        raise HostError(str(error), remedy="install freqtrade there, or correct freqtrade.python", host=host)
    return HostCheck(version, python, keys, configs)


def unknown_keys(config: Mapping[str, Any], known: Tree) -> list[UnknownKey]:
    """Return the keys of ``config`` that neither the schema (``known``) nor freqtrade's source has a use for."""
    tree = deepcopy(known)
    for path in READ_THOUGH_UNLISTED:
        _allow(tree, path.split("."))
    return list(_walk(config, tree, ""))


def _allow(tree: Tree, path: list[str]) -> None:
    """Add one key to the tree of known keys; ``*`` opens the place to any key."""
    for key, below in itertools.pairwise(path):
        if below == "*":
            tree[key] = None
        tree = tree.setdefault(key, {})
        if tree is None:
            return
    tree.setdefault(path[-1], None)


def _walk(value: Any, known: Tree, path: str) -> Iterator[UnknownKey]:  # noqa: ANN401 - any JSON until judged
    """Descend side by side; where the schema leaves a place open (known is None) everything goes."""
    if isinstance(value, list) and isinstance(known, list):
        for number, item in enumerate(value):
            yield from _walk(item, known[0], f"{path}[{number}]")
    elif isinstance(value, Mapping) and isinstance(known, dict):
        for key, inner in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key in known:
                yield from _walk(inner, known[key], where)
            else:
                yield UnknownKey(where, _suggestion(where, str(key), list(known)))


def _suggestion(where: str, key: str, names: list[str]) -> str:
    if where in WRITTEN_IN_VAIN:
        return WRITTEN_IN_VAIN[where]
    near = difflib.get_close_matches(key, names, n=1)
    return f"did you mean {near[0]}?" if near else ""


def harmful(config: Mapping[str, Any]) -> list[str]:
    """Return what freqtrade accepts but nobody should: an open or badly guarded API server, placeholder secrets.

    Each line names the setting and the remedy, never the value.
    """
    found = []
    server = config.get("api_server")
    if isinstance(server, Mapping) and server.get("enabled"):
        if server.get("listen_ip_address") in {"0.0.0.0", "::"}:  # noqa: S104 - looked for, not bound to
            found.append("api_server.listen_ip_address: open on every network; name the address of the fleet's own")
        if not server.get("jwt_secret_key"):
            found.append("api_server.jwt_secret_key: missing, so a publicly known key signs the logins; generate one")
        elif server["jwt_secret_key"] in KNOWN_DEFAULT_JWT_KEYS:
            found.append("api_server.jwt_secret_key: a publicly known default; generate one")
        if not server.get("ws_token"):
            found.append("api_server.ws_token: missing; generate one")
    found += [f"{path}: a placeholder, not a secret; replace it" for path in _placeholders(config)]
    return found


def _placeholders(config: Mapping[str, Any]) -> list[str]:
    """Return the dotted paths of secrets that hold placeholders. Empty ones guard nothing and are judged elsewhere."""
    places: list[tuple[str, object]] = []
    for section, keys in (
        ("api_server", ("password", "jwt_secret_key", "ws_token")),
        ("telegram", ("token",)),
        ("exchange", ("api_key", "key", "secret", "password")),
    ):
        inner = config.get(section)
        if isinstance(inner, Mapping) and inner.get("enabled", True):
            places += [(f"{section}.{key}", inner[key]) for key in keys if inner.get(key)]
    consumer = config.get("external_message_consumer")
    asked = "candle_feed" in config  # the feed asks them, also where freqtrade's own consumer is off
    if isinstance(consumer, Mapping) and (consumer.get("enabled") or asked):
        for number, producer in enumerate(consumer.get("producers") or []):
            if isinstance(producer, Mapping) and producer.get("ws_token"):
                places.append((f"external_message_consumer.producers[{number}].ws_token", producer["ws_token"]))
    flat = [(path, one) for path, value in places for one in (value if isinstance(value, list) else [value])]
    return [path for path, value in flat if isinstance(value, str) and is_placeholder(value)]
