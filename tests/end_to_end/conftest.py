"""A project of its own for each test: own addresses, own ports, few pairs, and the repository's notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_project import BOTS, ROOT, Project


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """Addresses 127.0.<number>.x; ``number`` is the test's own."""
    if not (BOTS / "bin" / "python").exists():
        pytest.skip("no freqtrade environment: `make test` sets it up")
    number = request.param
    for folder in ("params", "outputs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    text = (ROOT / "params" / "lab.yaml").read_text()
    text = (
        text.replace("127.0.3.", f"127.0.{number}.").replace("18080", f"190{number}").replace("18081", f"191{number}")
    )
    made = Project(tmp_path)
    made.site.write_text(text)
    with made.edited() as site:
        site["ssh"]["port"] = 22000 + number
        site["gates"]["candles"] = 2
        site["lab"]["exchange_port"] = int(f"190{number}")
        site["lab"]["admin_port"] = int(f"191{number}")
        site["lab"]["freqtrade"] = str(BOTS)
    yield made
    for process in made.processes():
        process.kill()
