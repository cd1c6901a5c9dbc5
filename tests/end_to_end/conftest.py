"""A project of its own for each test: own addresses, own ports, few pairs, and the repository's notebooks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
BOTS = ROOT / ".venv" / "freqtrade"


@dataclass(frozen=True)
class Project:
    root: Path

    @property
    def site(self) -> Path:
        return self.root / "params" / "lab.yaml"

    def runbook(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "runbook_lib", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.runbook(*arguments), cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def processes(self) -> list[psutil.Process]:
        """Return every process that has this project's folder in its command line or its environment."""
        return [process for process in psutil.process_iter() if str(self.root) in _words(process)]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join([*process.cmdline(), *process.environ().values(), process.cwd()])
    except psutil.Error:
        return ""


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
    yaml = YAML()
    site = yaml.load(text)
    site["ssh"]["port"] = 22000 + number
    site["gates"]["candles"] = 2
    site["lab"]["exchange_port"] = int(f"190{number}")
    site["lab"]["admin_port"] = int(f"191{number}")
    site["lab"]["freqtrade"] = str(BOTS)
    with (tmp_path / "params" / "lab.yaml").open("w") as file:
        yaml.dump(site, file)
    made = Project(tmp_path)
    yield made
    for process in made.processes():
        process.kill()
