from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from town import Town


@pytest.fixture
def town(tmp_path: Path, worker_id: str) -> Iterator[Town]:
    number = 60 + int(worker_id.removeprefix("gw") if worker_id.startswith("gw") else 0)
    standing = Town(tmp_path, (f"127.0.{number}.1", f"127.0.{number}.2"))
    yield standing
    standing.close()
