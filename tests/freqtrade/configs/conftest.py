from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.secrets import Secret

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture
def make_site() -> Callable[..., FreqtradeSite]:
    def make(**changes: object) -> FreqtradeSite:
        return FreqtradeSite.model_validate(
            {
                "site": "lab",
                "hosts": {name: {"address": f"127.0.3.{name}"} for name in ("73", "108", "75")},
                "ssh": {"user": "freqai"},
                "exchange": {
                    "ccxt_config": {
                        "urls": {"api": {"public": "http://{address}:18080/api/v3"}},
                        "rate": 1,
                        "l": ["{address}"],
                    }
                },
                "producers": {"73": {"pairs": ["BTC/USDT", "ETH/USDT"]}, "108": {"pairs": ["XRP/USDT"], "port": 8081}},
                "consumers": {"75": {}},
            }
            | changes
        )

    return make


@pytest.fixture
def site(make_site: Callable[..., FreqtradeSite]) -> FreqtradeSite:
    return make_site()


@pytest.fixture
def secrets() -> ProducerSecrets:
    return ProducerSecrets("runbook", Secret("p" * 20 + "-w"), Secret("j" * 40 + "-k"), Secret("w" * 40 + "-t"))


@pytest.fixture
def others() -> dict[str, ProducerAccess]:
    """How the producer on 73 reaches the one on 108."""
    return {"108": ProducerAccess("127.0.3.108", 8081, Secret("o" * 40 + "-t"))}


@pytest.fixture(scope="session")
def known_keys() -> Any:
    """Return what the host script answers on freqtrade 2026.9; a test marked `bots` holds it against the real one."""
    return json.loads((HERE / "known_keys_2026.9.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def freqtrade_python() -> Path:
    python = Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", ROOT / ".venv/freqtrade/bin/python"))
    if not python.exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    return python


@pytest.fixture
def by_freqtrade(freqtrade_python: Path) -> Callable[..., str]:
    """Run a script by freqtrade's Python, as a host would: over standard input."""

    def run(script: str, *arguments: str) -> str:
        return subprocess.run(
            [freqtrade_python, "-", *arguments], input=script, capture_output=True, text=True, check=True, timeout=120
        ).stdout

    return run
