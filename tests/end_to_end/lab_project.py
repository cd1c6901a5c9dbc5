"""A project folder of a test's own, and the processes that belong to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
BOTS = ROOT / ".venv" / "freqtrade"


@dataclass(frozen=True)
class Project:
    root: Path

    @property
    def site(self) -> Path:
        return self.root / "params" / "lab.yaml"

    @contextmanager
    def edited(self) -> Iterator[Any]:
        """Lend the site file's content to be changed."""
        yaml = YAML()
        site = yaml.load(self.site.read_text())
        yield site
        with self.site.open("w") as file:
            yaml.dump(site, file)

    def runbook(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "runbook_lib", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.runbook(*arguments), cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def carry_out(self, *arguments: str) -> None:
        """Carry out a command of at most two minutes that must succeed."""
        with self.start(*arguments) as command:
            assert command.wait(120) == 0, arguments

    def processes(self) -> list[psutil.Process]:
        """Return every process that has this project's folder in its command line or its environment."""
        return [process for process in psutil.process_iter() if str(self.root) in _words(process)]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join([*process.cmdline(), *process.environ().values(), process.cwd()])
    except psutil.Error:
        return ""
