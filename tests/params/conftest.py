"""A small site file, and a way to break one thing in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., Path]

SITE = """\
site: small
hosts:
  "73": {address: 10.0.3.73}
  "108": {address: 10.0.3.108}
  "75":
    address: 10.0.3.75
ssh:
  user: freqai
  known_hosts: keys/known_hosts
  key: ~/.ssh/id
  password: {env: LOGIN}
producers:
  "73":
    port: 8080
    pairs:
      - BTC/USDT
      - ETH/USDT
  "108":
    pairs: [XRP/USDT]
consumers:
  "75": {}
gates:
  candles: 2
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the site file with one piece of its text replaced: ``write("candles: 2", "candles: 1")``."""

    def put(old: str = "", new: str = "") -> Path:
        assert old in SITE
        path = tmp_path / "params" / "small.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(SITE.replace(old, new, 1) if old else SITE, encoding="utf-8")
        return path

    return put
