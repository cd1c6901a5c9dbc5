"""A host dies or is cut off while a file is being written: the old file stands there or the whole new one, never half.

Power is taken by killing every process of the host at once. What the kernel had not written to the disk yet is not lost
by that; for a power cut the order of things counts, which is looked at on its own: on the disk first, then renamed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_lab import Lab, Tripwire, stand_still_at, tree

from runbook_lib.errors import TransferFailed
from runbook_lib.fleet import Files, Session

pytestmark = pytest.mark.hosts

CONFIG = "bot/config.json"
OLD, NEW = b"old\n" * 1000, b"new and longer\n" * 1_000_000
FAULTS: dict[str, Callable[[Lab], object]] = {
    "power lost": lambda lab: lab.power_off("73"),
    "connection cut": lambda lab: lab.cut("73"),
}
STEPS = ("mkdir", "rm", "mktemp", "cat", "sha256sum", "chmod", "sync", "mv", "sync again")
"""The programs that writing a file calls on the host, in order."""
CUT_OFF = r"^73: writing bot/config.json: cut off: .* -> the old file or the whole new one stands there; look$"


def half_written(home: Path) -> int:
    """Return how many bytes have arrived of a file that is on its way."""
    try:
        return max((path.stat().st_size for path in (home / "bot").glob(".config.json.runbook-*")), default=0)
    except FileNotFoundError:
        return 0


@pytest.fixture
def old(home: Path) -> Path:
    path = home / CONFIG
    path.parent.mkdir()
    path.write_bytes(OLD)
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", FAULTS)
def test_half_of_it_has_come(lab: Lab, home: Path, old: Path, fault: str, seed: int) -> None:
    session = lab["73"]
    at = random.Random(f"{fault}{seed}").randrange(len(NEW) * 8 // 10)
    session.connect()
    with (
        Tripwire(lambda: half_written(home) > at, lambda: FAULTS[fault](lab)) as wire,
        pytest.raises(TransferFailed, match=CUT_OFF),
    ):
        Files(session).write(CONFIG, NEW, 0o600)
    assert wire.tripped
    if fault == "power lost":
        assert half_written(home) > at, "what was half written is what this test is about"
        lab.power_on("73")
    assert (old.read_bytes(), old.stat().st_mode & 0o777) == (OLD, 0o640)
    Files(session).write(CONFIG, NEW, 0o600)
    assert tree(home) == {CONFIG: NEW}


@pytest.mark.parametrize("step", STEPS)
def test_power_is_lost_at_every_step(lab: Lab, session: Session, home: Path, old: Path, step: str) -> None:
    reached, go_on = stand_still_at(lab.settings["73"].bin, step)
    with (
        Tripwire(reached.exists, lambda: lab.power_off("73")) as wire,
        pytest.raises(TransferFailed, match=CUT_OFF),
    ):
        Files(session).write(CONFIG, NEW, 0o600)
    assert wire.tripped
    go_on.touch()
    lab.power_on("73")
    assert old.read_bytes() == (NEW if step == "sync again" else OLD)
    Files(session).sweep([CONFIG, "bot/none", "none/at/all"])
    assert list(tree(home)) == [CONFIG]


def test_it_is_on_the_disk_before_it_is_in_place(session: Session, home: Path, old: Path) -> None:
    log = home.parents[1] / "tmp" / "log"
    for program in ("sync", "mv"):
        tool = home.parents[1] / "usr" / "local" / "bin" / program
        tool.write_text(f'#!/bin/sh\necho "{program} $*" >> "{log}"\nexec /usr/bin/{program} "$@"\n')
        tool.chmod(0o755)
    Files(session).write(CONFIG, NEW, 0o600)
    first, second, third = (line.split() for line in log.read_text().splitlines())
    new = first[-1]
    assert new.startswith(f"{old.parent}/.config.json.runbook-")
    assert (first, second) == (["sync", "--", new], ["mv", "-fT", "--", new, str(old)])
    assert third == ["sync", "--", str(old.parent)]


@pytest.mark.parametrize("successor", ["write", "copy", "remove", "sweep"])
@pytest.mark.usefixtures("old")
def test_one_that_was_given_up_never_comes_after_its_successor(lab: Lab, home: Path, successor: str) -> None:
    """As when a connection is lost and a slow disk lets the command there go on for minutes."""
    session = lab["73"]
    reached, go_on = stand_still_at(lab.settings["73"].bin, "mv")
    told: list[TransferFailed] = []

    def forerunner() -> None:
        try:
            Files(session).write(CONFIG, NEW, 0o600)
        except TransferFailed as error:
            told.append(error)

    late = threading.Thread(target=forerunner)
    with Tripwire(reached.exists, (reached.parent / "mv").unlink) as wire:
        late.start()
        wire.join(10)
    assert wire.tripped
    (home / "original").write_bytes(b"original")
    acts: dict[str, Callable[[Files], object]] = {
        "write": lambda files: files.write(CONFIG, b"successor", 0o600),
        "copy": lambda files: files.copy("original", CONFIG, replace=True),
        "remove": lambda files: files.remove(CONFIG),
        "sweep": lambda files: files.sweep([CONFIG]),
    }
    acts[successor](Files(session))
    stands = {"write": b"successor", "copy": b"original", "remove": None, "sweep": OLD}[successor]
    go_on.touch()
    late.join(10)
    assert "No such file or directory -> the host is as it was" in str(told[0])
    assert tree(home) == {"original": b"original"} | ({} if stands is None else {CONFIG: stands})


def test_what_is_somebody_elses_is_not_swept_up(session: Session, home: Path, old: Path) -> None:
    others = (".config.json.swp", ".config.json.runbook-", ".config.json.runbook-1234567", ".config.json.XaYbZc")
    for name in others:
        (old.parent / name).write_bytes(b"")
    Files(session).write(CONFIG, NEW, 0o600)
    Files(session).remove(CONFIG)
    assert sorted(path.name for path in (home / "bot").iterdir()) == sorted(others)
