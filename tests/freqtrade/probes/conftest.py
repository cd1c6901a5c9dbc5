"""This machine as a host: scripts run as they do on one, in a Python of their own, sent by stdin."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


class ThisMachine:
    """What a session offers to probes, without SSH. Its working directory is the login's home."""

    name = "here"

    def __init__(self, home: Path) -> None:
        self.home = home
        self.output = ""

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
            check=False,
        )
        self.output += done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def here(tmp_path: Path) -> ThisMachine:
    return ThisMachine(tmp_path)
