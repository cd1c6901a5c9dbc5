"""A night with real kernels and real signals: held, paused, stopped, cut off, killed, and gone on with every time."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from village import MANIFEST, SITE

from runbook_lib.change import journal
from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.source import generate

HEAD = """\
# %% tags=["parameters"]
site = ""
change_id = ""
dry_run = False

# %%
import of_the_night

phase = of_the_night.open_phase("{name}", site=site, change_id=change_id, dry_run=dry_run)
phase
"""
MODULE = """\
import time
from pathlib import Path

from runbook_lib.params import Site
from runbook_lib.runner import phase as runner
from runbook_lib.values import Check, Verdict
from runbook_lib.view.progress import countdown

def open_phase(name, **told):
    return runner.open_phase(name, Site, **told)

def good():
    return [Check("works", Verdict.SUCCESSFUL, "e", "o")]

def work(phase):
    for number in range(3):
        key = f"file:{number}"
        phase.check()
        phase.journal.write("intent", "a", kind="file", key=key, act=f"create {number}")
        while Path("hard").exists():  # a step that nobody can stop
            time.sleep(0.1)
        phase.journal.write("done", "a", kind="file", key=key, act=f"create {number}")
        until = time.time() + (60 if Path("slow").exists() else 0)
        countdown("the paint to dry", until, phase.report)
"""
CELLS = {
    "10_look": 'phase.require(phase.gate("look", of_the_night.good()))',
    "20_work": 'phase.hold("before_work")\n\n# %%\nof_the_night.work(phase)',
    "30_after": 'phase.keep("sentence", "all is well")\nphase.require(phase.gate("after", of_the_night.good()))',
}


@dataclass
class Night:
    root: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def folder(self) -> ChangeFolder:
        return ChangeFolder(self.root / "outputs", "c")

    def start(self, *words: str, **how: Any) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "runbook_lib",
            "run",
            "--change",
            "c",
            "--site",
            "village",
            "--runbook",
            "book",
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RUNBOOK", "JPY"))}
        runner = subprocess.Popen(
            [*command, *words],
            cwd=self.root,
            text=True,
            env=environment,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **how},
        )
        self.started.append(runner)
        return runner

    def say(self, verb: str, *words: str) -> str:
        command = [sys.executable, "-m", "runbook_lib", verb, "--site", "village", "--change", "c", *words]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False, timeout=240).stdout

    def what(self) -> list[str]:
        return [event.what for event in journal.read(self.folder.journal)]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < deadline, self.what()
            time.sleep(0.05)

    def verdict(self) -> tuple[str, str]:
        assert statement.check(self.folder) == []
        predicate = statement.read(self.folder)["predicate"]
        return predicate["verdict"], predicate["sentence"]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    for folder in ("params", "book", "outputs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "params" / "village.yaml").write_text(SITE)
    (tmp_path / "book" / "of_the_night.py").write_text(MODULE)
    manifest = MANIFEST.replace("rollback: 90_back\n", "").replace("runbook_lib.params", "of_the_night")
    (tmp_path / "book" / "runbook.yaml").write_text(manifest)
    for name, cell in CELLS.items():
        source = tmp_path / "book" / f"{name}.py"
        source.write_text(f"{HEAD.format(name=name)}\n# %%\n{cell}\n")
        source.with_suffix(".ipynb").write_text(generate(source))
    found = Night(tmp_path)
    yield found
    for runner in found.started:
        runner.kill()
        runner.wait()
        if runner.stdout is not None:
            runner.stdout.close()


def ended(runner: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = runner.communicate(timeout=300)
    return runner.returncode, said


def test_held_then_paused_then_stopped_then_done(night: Night) -> None:
    (night.root / "slow").touch()
    code, said = ended(night.start())
    assert (code, "waits for an approval of before_work" in said) == (11, True)
    assert night.verdict()[0] == "Inconclusive"
    assert "intent" not in night.what()

    runner = night.start("--resume", "--approve", "before_work")
    night.until(lambda: "done" in night.what())
    night.until(lambda: "waits for: the paint to dry" in night.say("status"))
    second = night.start("--resume")
    code, said = ended(second)
    assert (code, "is at work on change c" in said) == (13, True)
    assert f"process {runner.pid}" in said

    assert "pauses before its next step" in night.say("pause", "--why", "lunch")
    (night.root / "slow").unlink()
    assert "c: paused since" in night.say("status")
    runner.send_signal(signal.SIGTERM)
    code, said = ended(runner)
    assert code == 130, said
    assert night.what().count("intent") == 1
    verdict, sentence = night.verdict()
    assert (verdict, sentence.partition(" -> ")[0]) == ("Inconclusive", "SIGTERM: stopped after the step in hand")

    code, said = ended(night.start("--resume"))
    assert code == 0, said
    assert "10_look" not in said
    assert night.verdict() == ("Successful", "all is well")
    assert night.what().count("intent") == 4


def test_a_step_that_does_not_end_is_cut_off_by_the_second_ctrl_c(night: Night) -> None:
    (night.root / "hard").touch()
    runner = night.start("--approve", "all")
    night.until(lambda: "intent" in night.what())
    runner.send_signal(signal.SIGINT)
    night.until(lambda: "stop" in night.what())
    time.sleep(0.5)
    assert runner.poll() is None
    assert "c: ending since" in night.say("status")
    runner.send_signal(signal.SIGINT)
    code, said = ended(runner)
    assert (code, "interrupted" in said) == (130, True)
    assert night.what()[-3:] == ["intent", "stop", "ended"]
    assert night.verdict()[0] == "Inconclusive"
    assert night.verdict()[1].startswith("cut off by the operator")


def own_terminal() -> None:
    """Make standard input the terminal that this process hangs on."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal_that_hangs_up_stops_the_run_after_the_step_in_hand(night: Night) -> None:
    (night.root / "hard").touch()
    ours, theirs = pty.openpty()
    on_it = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    runner = night.start("--approve", "all", **on_it, preexec_fn=own_terminal)
    os.close(theirs)
    night.until(lambda: "intent" in night.what())
    os.close(ours)
    night.until(lambda: "stop" in night.what())
    runner.send_signal(signal.SIGHUP)  # a shell that ends hands it on once more
    time.sleep(0.5)
    assert runner.poll() is None
    (night.root / "hard").unlink()
    assert runner.wait(timeout=240) == 130
    assert night.what()[-4:] == ["intent", "stop", "done", "ended"]
    assert night.verdict()[0] == "Inconclusive"
    assert night.verdict()[1].startswith("SIGHUP: stopped after the step in hand")


def test_a_run_that_was_begun_to_outlive_its_terminal_does(night: Night) -> None:
    (night.root / "hard").touch()
    runner = night.start("--approve", "all", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    night.until(lambda: "intent" in night.what())
    runner.send_signal(signal.SIGHUP)
    (night.root / "hard").unlink()
    code, said = ended(runner)
    assert code == 0, said
    assert "stop" not in night.what()


def test_a_runner_that_is_killed_takes_its_kernel_along_and_is_gone_on_from(night: Night) -> None:
    (night.root / "hard").touch()
    runner = night.start("--approve", "all")
    night.until(lambda: "intent" in night.what())
    (kernel,) = psutil.Process(runner.pid).children()
    runner.kill()
    night.until(lambda: not kernel.is_running() or kernel.status() == psutil.STATUS_ZOMBIE)
    (night.root / "hard").unlink()
    assert "c: cut off since" in (said := night.say("status"))
    assert "host a: cut off, or at it now: create 0" in said
    assert "host b: not reached" in said
    code, said = ended(night.start("--resume"))
    assert code == 0, said
    assert night.verdict() == ("Successful", "all is well")
