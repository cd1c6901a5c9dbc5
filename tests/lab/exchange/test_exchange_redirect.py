from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from runbook_lib.lab.exchange import ccxt_config


def addresses(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from addresses(value)
    else:
        yield node


def test_every_address_is_the_exchange() -> None:
    config = ccxt_config("http://127.0.0.1:1234/", "ws://127.0.0.1:1234")
    assert {urlsplit(url).netloc for url in addresses(config)} == {"127.0.0.1:1234"}
    api = config["urls"]["api"]
    assert api["public"] == "http://127.0.0.1:1234/api/v3"
    assert api["fapiPublic"] == "http://127.0.0.1:1234/fapi/v1"
    assert api["ws"]["spot"] == "ws://127.0.0.1:1234/ws"


def test_a_placeholder_for_the_hosts_address_survives() -> None:
    assert ccxt_config("http://{address}:1", "ws://{address}:1")["urls"]["api"]["public"] == "http://{address}:1/api/v3"
