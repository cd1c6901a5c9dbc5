from __future__ import annotations

from collections.abc import Iterator

import pytest
from crash import Ground
from forks import Interpreters
from town import Town


def number(worker: str) -> int:
    return int(worker.removeprefix("gw")) if worker.startswith("gw") else 0


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Ground]:
    """One town and one set of ready interpreters for each worker; what a case leaves, the next one clears away."""
    third = 40 + number(worker_id)
    town = Town(tmp_path_factory.mktemp("sweep"), (f"127.0.{third}.1", f"127.0.{third}.2"))
    interpreters = Interpreters()
    yield Ground(town, interpreters)
    interpreters.close()
    town.close()
