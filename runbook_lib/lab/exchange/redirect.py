"""How real freqtrade is pointed at the simulated exchange. Pure."""

from __future__ import annotations

from typing import Any

_REST = {
    "public": "/api/v3",
    "private": "/api/v3",
    "v1": "/api/v1",
    "sapi": "/sapi/v1",
    "sapiV2": "/sapi/v2",
    "sapiV3": "/sapi/v3",
    "sapiV4": "/sapi/v4",
    "fapiPublic": "/fapi/v1",
    "fapiPublicV2": "/fapi/v2",
    "fapiPublicV3": "/fapi/v3",
    "fapiPrivate": "/fapi/v1",
    "fapiPrivateV2": "/fapi/v2",
    "fapiPrivateV3": "/fapi/v3",
    "fapiData": "/futures/data",
    "dapiPublic": "/dapi/v1",
    "dapiPrivate": "/dapi/v1",
    "dapiPrivateV2": "/dapi/v2",
    "dapiData": "/futures/data",
    "eapiPublic": "/eapi/v1",
    "eapiPrivate": "/eapi/v1",
    "papi": "/papi/v1",
    "papiV2": "/papi/v2",
}
_STREAMS = ("spot", "margin", "linear", "inverse", "stock", "option", "optionMarket", "optionPrivate", "papi")
_CALLS = ("spot", "linear", "inverse")


def ccxt_config(rest_base: str, ws_base: str) -> dict[str, Any]:
    """Return a complete ``exchange.ccxt_config``: every address that ccxt knows for Binance, so that nothing goes out.

    ``rest_base``: scheme, address and port without a path (http://127.0.0.1:18080); ``ws_base`` likewise (ws://...).
    """
    rest, ws = rest_base.rstrip("/"), ws_base.rstrip("/")
    streams: dict[str, Any] = dict.fromkeys(_STREAMS, f"{ws}/ws")
    streams["ws-api"] = dict.fromkeys(_CALLS, f"{ws}/ws-api/v3")
    return {"urls": {"api": {**{name: rest + path for name, path in _REST.items()}, "ws": streams}}}
