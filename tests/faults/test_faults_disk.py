"""A full disk, on a host and on the operator's side: said in one line, and nothing is half done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_lab import Lab, host_settings, keys_for, site_of, tree
from small_disk import CAUSES, DISK, LARGEST_FILE, namespaces, small_directory, small_disk

from runbook_lib.change.engine import Engine
from runbook_lib.change.journal import Journal, read
from runbook_lib.change.locks import Holder, host_lock
from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.change.rollback import Rollback
from runbook_lib.errors import HostError, RecordError, TransferFailed
from runbook_lib.fleet import Files, Fleet, Session, Units

pytestmark = pytest.mark.hosts

CONFIG, OLD, NEW = "bot/config.json", b"old\n", b"new\n"
LARGE = os.urandom(LARGEST_FILE + 4096)
NOT_DONE = " -> the host is as it was; mend the cause, run again"
UNIT = """\
[Service]
ExecStart=/bin/sh -c 'cp bot/config.json bot/running; exec sleep 1000'
[Install]
WantedBy=default.target
"""
NO_NAMESPACES = "this kernel gives no namespaces to users, so that no file system can be small"
WANTED = Wanted("74", (File(CONFIG, NEW, 0o600), Unit("bot.service", settle_seconds=0.1)))


@pytest.fixture(params=CAUSES)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "own file system" and not namespaces():
        pytest.skip(f"{NO_NAMESPACES}; the limit of file sizes is tested in its place")
    return str(request.param)


@pytest.fixture
def small(tmp_path: Path, kind: str) -> Iterator[Session]:
    """Lend a host with a small disk, on which a bot runs."""
    host = host_settings(tmp_path, "74")
    keys_for(tmp_path, host)
    with small_disk(host, kind), Fleet.of(site_of(tmp_path, host)) as fleet:
        start_bot(fleet["74"])
        yield fleet["74"]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl", "20_change")


def start_bot(session: Session) -> None:
    Files(session).write(".config/systemd/user/bot.service", UNIT.encode(), 0o644)
    Files(session).write(CONFIG, OLD, 0o640)
    units = Units(session, "user")
    units.enable("bot")
    units.start("bot")


def leave(session: Session, size: int) -> None:
    """Fill the host's disk until there is room for ``size`` bytes; where only the size of files is limited, nothing."""
    free = int(session.run("df --output=avail --block-size=1 .").text.split()[-1])
    if free <= DISK:
        session.run(f"head -c {free - size} /dev/zero > ../../ballast")


def grow_config(session: Session, tmp_path: Path) -> None:
    """Let the operator have a config of a size that cannot be copied."""
    where = tmp_path / "74" / "root" / "home" / "freqai" / CONFIG
    if where.exists():  # no file system of its own: what its own processes may not write, others may
        where.write_bytes(LARGE)
    else:
        Files(session).write(CONFIG, LARGE, 0o640)
    leave(session, LARGEST_FILE)


def whole(session: Session) -> str:
    """Return digest, mode and name of every file but the kept ones, and which process the bot is."""
    listed = session.run("find . -path ./.runbook -prune -o -type f -printf '%m %T@ ' -exec sha256sum {} + | sort").text
    return f"{listed}{Units(session, 'user').observe(['bot'])['bot'].main_pid}"


def test_a_file_that_does_not_fit_leaves_the_old_one(small: Session, kind: str) -> None:
    leave(small, LARGEST_FILE)
    before = whole(small)
    with pytest.raises(TransferFailed) as caught:
        Files(small).write(CONFIG, LARGE, 0o600)
    assert str(caught.value).startswith("74: `writing bot/config.json` ended with status ")
    assert str(caught.value).endswith(f": {CAUSES[kind]}{NOT_DONE}")
    assert "\n" not in str(caught.value)
    assert whole(small) == before
    small.run("rm -f ../../ballast")
    fits = LARGE if kind == "own file system" else LARGE[:LARGEST_FILE]
    Files(small).write(CONFIG, fits, 0o600)
    assert Files(small).read(CONFIG) == fits


def test_without_room_for_the_original_nothing_is_written(
    small: Session, kind: str, journal: Journal, tmp_path: Path
) -> None:
    grow_config(small, tmp_path)
    before = whole(small)
    engine = Engine(journal, "user")
    with pytest.raises(TransferFailed) as caught:
        engine.apply(small, engine.plan(small, WANTED), WANTED)
    assert str(caught.value).startswith("74: `copying bot/config.json to .runbook/kept/")
    assert str(caught.value).endswith(f"{CAUSES[kind]}{NOT_DONE}")
    assert whole(small) == before
    assert small.run("find .runbook/kept -type f").text == ""
    host, intent, failed = journal.events()
    assert (host.what, intent.what, failed.what) == ("host", "intent", "failed")
    assert CAUSES[kind] in failed.detail["why"]


@pytest.mark.skipif(not namespaces(), reason=NO_NAMESPACES)
@pytest.mark.parametrize("kind", ["own file system"], indirect=True)
def test_room_for_the_copies_but_not_for_the_file(small: Session, journal: Journal) -> None:
    """What is kept is kept, what stands stands; with room again the change goes on, and can be undone."""
    config = LARGE[: LARGEST_FILE // 2]
    wanted = Wanted("74", (File(CONFIG, config, 0o600), *WANTED.units))
    leave(small, len(config) + len(config) // 2)
    before = whole(small)
    engine = Engine(journal, "user")
    with pytest.raises(TransferFailed) as caught:
        engine.apply(small, engine.plan(small, wanted), wanted)
    assert str(caught.value).startswith(
        "74: `writing bot/config.json` ended with status 1: cat: write error: No space "
    )
    assert whole(small) == before
    small.run("rm ../../ballast")
    engine.apply(small, engine.plan(small, wanted), wanted)
    assert Files(small).read("bot/running") == config
    assert engine.plan(small, wanted).empty
    leave(small, 64 << 10)
    Rollback(journal, "user").put_back(small, 0, "the disk is full")
    assert Files(small).read(CONFIG) == OLD
    assert Files(small).read("bot/running") == OLD


@pytest.mark.skipif(not namespaces(), reason=NO_NAMESPACES)
@pytest.mark.parametrize("kind", ["own file system"], indirect=True)
def test_a_host_without_any_room_is_not_begun_with(small: Session) -> None:
    holder = Holder.here("2025-11-23-full", "runbook run", run="ours")
    small.run("cat /dev/zero > ../../ballast", check=False)
    before = whole(small)
    with pytest.raises(HostError) as caught, host_lock(small, holder):
        pass
    assert str(caught.value) == (
        "74: the lock of this host ended with status 1: OSError: [Errno 28] No space left on device"
        " -> mend what it complains about, then run the step again"
    )
    assert whole(small) == before
    small.run("rm ../../ballast")
    with host_lock(small, holder):
        pass


@pytest.mark.skipif(not namespaces(), reason=NO_NAMESPACES)
def test_nothing_is_done_that_cannot_be_journalled(tmp_path: Path) -> None:
    with small_directory(tmp_path / "outputs") as outputs, Lab(tmp_path, host_settings(tmp_path, "74")) as lab:
        session = lab["74"]
        start_bot(session)
        before = whole(session)
        journal = Journal(outputs / "journal.jsonl", "20_change", clock=lambda: 1.0)
        engine = Engine(journal, "user")
        plan = engine.plan(session, WANTED)
        fill_page(journal)
        fill(outputs / "ballast")
        with pytest.raises(RecordError) as caught:
            engine.apply(session, plan, WANTED)
        assert str(caught.value) == (
            f"{outputs}/journal.jsonl: cannot be written: [Errno 28] No space left on device"
            " -> check space and permissions"
        )
        assert whole(session) == before
        assert "kept" not in str(tree(lab.home("74")))
        (outputs / "ballast").unlink()
        assert engine.apply(session, plan, WANTED).changed
        assert Files(session).read("bot/running") == NEW
        events = list(read(journal.path))
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        assert [event.what for event in events[:4]] == ["opened", "opened", "torn", "host"]


def fill_page(journal: Journal) -> None:
    """Leave room for 100 bytes in the last page that the journal has of its disk: the next event will be torn."""
    journal.write("opened", site="", dry_run=False)
    size = journal.path.stat().st_size
    journal.write("opened", site="x" * (4096 - 100 - 2 * size), dry_run=False)
    assert journal.path.stat().st_size == 4096 - 100


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return
