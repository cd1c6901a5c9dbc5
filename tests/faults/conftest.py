"""One host or several, real SSH servers on loopback, that a test can rob of their power, disk or rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_lab import Lab, host_settings

from runbook_lib import redaction
from runbook_lib.fleet import Session


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own agent, keys and secrets out of it."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(redaction, "_registered", {})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """One host, 73."""
    with Lab(tmp_path, host_settings(tmp_path, "73")) as running:
        yield running


@pytest.fixture
def session(lab: Lab) -> Session:
    return lab["73"]


@pytest.fixture
def home(lab: Lab) -> Path:
    return lab.home("73")
