"""This machine as a host: scripts run as they do on one, without SSH in between."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


class ThisMachine:
    """What a session offers to probes. Its working directory is the login's home."""

    name = "here"

    def __init__(self, home: Path) -> None:
        self.home = home

    def python(
        self, script: str, arguments: object = None, *, interpreter: str = "python3", deadline: float | None = None
    ) -> Any:
        assert interpreter == "python3"
        assert deadline is not None
        names: dict[str, Any] = {}
        exec(compile(script, "<script>", "exec"), names)  # noqa: S102 - what a session does on the host
        return json.loads(json.dumps(names["main"](json.loads(json.dumps(arguments)))))


class Apart(ThisMachine):
    """The same in a Python of its own, which knows the standard library alone; keeps all it printed."""

    output = ""

    def python(
        self, script: str, arguments: object = None, *, interpreter: str = "python3", deadline: float | None = None
    ) -> Any:
        assert interpreter == "python3"
        text = f"{script}\nimport json\nprint(json.dumps(main(json.loads({json.dumps(arguments)!r}))))\n"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-"],
            input=text,
            capture_output=True,
            text=True,
            cwd=self.home,
            timeout=deadline,
            check=True,
        )
        self.output += done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ThisMachine:
    monkeypatch.chdir(tmp_path)
    return ThisMachine(tmp_path)


@pytest.fixture
def apart(tmp_path: Path) -> Apart:
    return Apart(tmp_path)
