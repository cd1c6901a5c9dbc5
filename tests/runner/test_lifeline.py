"""A kernel of a run dies with its runner, at once; one that a person has opened does not ask."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

KERNEL = """
import os, sys, time
from runbook_lib.runner import lifeline
lifeline.hold_on_to_runner()
print(os.getpid(), flush=True)
time.sleep(60)
"""
RUNNER = """
import os, subprocess, sys
told = {"JPY_PARENT_PID": str(os.getpid() if sys.argv[1] == "mine" else 1)}
run = {"RUNBOOK_RUN": "t"} if sys.argv[2] == "run" else {}
subprocess.Popen([sys.executable, "-c", sys.argv[3]], env={**os.environ, **told, **run}).wait()
"""


def start(parent: str, mode: str) -> tuple[subprocess.Popen[str], str]:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, parent, mode, KERNEL], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert runner.stdout is not None
    return runner, runner.stdout.readline()


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "RUNBOOK_RUN"}


def gone(pid: int, within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ipykernel looks for its parent every second")
def test_it_dies_with_its_runner() -> None:
    runner, said = start("mine", "run")
    with runner:
        runner.kill()
    assert gone(int(said))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ipykernel looks for its parent every second")
def test_it_does_not_outlive_one_that_died_before() -> None:
    """Its parent is not the process that it was told: that one is gone."""
    runner, said = start("other", "run")
    with runner:
        assert said == ""


def test_a_persons_own_kernel_goes_on() -> None:
    runner, said = start("mine", "by hand")
    with runner:
        runner.kill()
    kernel = psutil.Process(int(said))
    assert not gone(kernel.pid, within=0.3)
    kernel.kill()
