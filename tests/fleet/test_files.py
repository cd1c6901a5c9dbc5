from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runbook_lib.errors import CommandFailed, ParamsError, TransferFailed
from runbook_lib.fleet import Files, Session
from runbook_lib.values import FileState

if TYPE_CHECKING:
    from tests.fleet.conftest import SshHost

pytestmark = pytest.mark.hosts
ODD = 'a folder/it\'s -a "file" $HOME\n.json'


@pytest.fixture
def files(session: Session) -> Files:
    return Files(session)


def _state(path: str, data: bytes, mode: int) -> FileState:
    return FileState(path, True, hashlib.sha256(data).hexdigest(), mode, len(data))


def _only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("path", ["plain.json", "deep/er/still.json", ODD, "-n", "~/home.json"])
def test_what_is_written_is_read_and_seen(files: Files, host: SshHost, path: str) -> None:
    data = os.urandom(70_000)
    before = len(host.commands)
    assert files.write(path, data, 0o640) == _state(path, data, 0o640)
    assert len(host.commands) == before + 1
    there = host.home / path.removeprefix("~/")
    assert there.read_bytes() == data
    assert there.stat().st_mode & 0o7777 == 0o640
    assert _only(there.parent) == [there.name]
    assert files.read(path) == data
    assert files.stat(path) == _state(path, data, 0o640)
    files.remove(path)
    assert files.read(path) is None
    assert files.stat(path) == FileState(path, False)
    files.remove(path)


def test_a_large_and_an_empty_file(files: Files) -> None:
    large = os.urandom(20 << 20)
    files.write("large", large, 0o600)
    assert files.read("large") == large
    files.write("empty", b"", 0o600)
    assert files.read("empty") == b""


def test_many_files_are_looked_at_in_one_round_trip(files: Files, host: SshHost) -> None:
    for n in range(50):
        (host.home / f"f{n}").write_bytes(b"%d" % n)
        (host.home / f"f{n}").chmod(0o604)
    before = len(host.commands)
    seen = files.stat_all([*(f"f{n}" for n in range(50)), "none", "no/such/folder"])
    assert len(host.commands) == before + 1
    assert seen == {
        **{f"f{n}": _state(f"f{n}", b"%d" % n, 0o604) for n in range(50)},
        "none": FileState("none", False),
        "no/such/folder": FileState("no/such/folder", False),
    }


def test_a_file_that_could_not_be_given_back_to_its_owner_is_left_alone(files: Files, host: SshHost) -> None:
    programs = host.home.parent / "programs"
    programs.mkdir()
    (programs / "chown").write_text("#!/bin/sh\necho 'chown: Operation not permitted' >&2; exit 1\n")
    (programs / "chown").chmod(0o755)
    host.env["PATH"] = f"{programs}:{host.env['PATH']}"
    files.write("new", b"new", 0o600)
    (host.home / "theirs").write_bytes(b"old")
    with pytest.raises(TransferFailed, match="chown: Operation not permitted"):
        files.write("theirs", b"new", 0o600)
    assert (host.home / "theirs").read_bytes() == b"old"
    assert _only(host.home) == ["new", "theirs"]


def test_a_file_is_replaced_whole_and_a_link_is_followed(files: Files, host: SshHost) -> None:
    (host.home / "real").mkdir()
    (host.home / "real" / "config").write_text("old")
    (host.home / "config").symlink_to("real/config")
    inode = (host.home / "real" / "config").stat().st_ino
    files.write("config", b"new", 0o600)
    assert (host.home / "config").is_symlink()
    assert (host.home / "real" / "config").read_text() == "new"
    assert (host.home / "real" / "config").stat().st_ino != inode
    assert _only(host.home / "real") == ["config"]


def test_a_cut_connection_in_mid_write_leaves_the_old_file(files: Files, host: SshHost, session: Session) -> None:
    (host.home / "config").write_text("old")
    session.connect()
    cutter = threading.Thread(target=_cut_when_it_grows, args=(host,))
    cutter.start()
    with pytest.raises(TransferFailed, match="h73: writing config: cut off"):
        files.write("config", b"x" * (64 << 20), 0o600)
    cutter.join()
    assert files.read("config") == b"old"
    for _ in range(100):
        if _only(host.home) == ["config"]:
            break
        threading.Event().wait(0.02)
    assert _only(host.home) == ["config"]


def _cut_when_it_grows(host: SshHost) -> None:
    for _ in range(500):
        if any(path.stat().st_size for path in host.home.glob(".config.runbook-*")):
            break
        threading.Event().wait(0.01)
    host.cut()


def test_a_disk_that_is_full_leaves_the_old_file(files: Files, host: SshHost) -> None:
    (host.home / "config").write_text("old")
    tool = host.home / "bin" / "cat"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nhead -c 10\necho 'cat: write error: No space left on device' >&2\nexit 1\n")
    tool.chmod(0o755)
    host.env["PATH"] = f"{tool.parent}:{host.env['PATH']}"
    with pytest.raises(TransferFailed, match=r"h73: `writing config` ended with status 1: cat: .*No space left"):
        files.write("config", b"x" * 100, 0o600)
    tool.write_text("#!/bin/sh\nhead -c 10\n")
    with pytest.raises(TransferFailed, match="digest differs"):
        files.write("config", b"x" * 100, 0o600)
    assert (host.home / "config").read_text() == "old"
    assert _only(host.home) == ["bin", "config"]


def test_what_cannot_be_a_file_is_refused(files: Files, host: SshHost) -> None:
    (host.home / "folder").mkdir()
    (host.home / "file").write_text("")
    with pytest.raises(TransferFailed, match="is a directory"):
        files.write("folder", b"x", 0o600)
    with pytest.raises(TransferFailed, match=r"cannot create directory .*: File exists"):
        files.write("file/below", b"x", 0o600)
    with pytest.raises(CommandFailed, match="Is a directory"):
        files.stat("folder")
    with pytest.raises(CommandFailed, match="Is a directory"):
        files.read("folder")
    with pytest.raises(CommandFailed, match="directory"):
        files.remove("folder")
    os.mkfifo(host.home / "pipe")
    with pytest.raises(CommandFailed, match="pipe is no plain file"):
        files.stat("pipe")


def test_an_original_is_kept_with_mode_and_time_and_never_overwritten(files: Files, host: SshHost) -> None:
    source = host.home / "config"
    source.write_text("first")
    source.chmod(0o604)
    os.utime(source, (1_000_000_000, 1_000_000_000))
    assert files.copy("config", "kept/config.1") == _state("kept/config.1", b"first", 0o604)
    kept = host.home / "kept" / "config.1"
    assert (kept.read_text(), kept.stat().st_mtime) == ("first", 1_000_000_000)
    files.copy("config", "kept/config.1")
    source.write_text("second")
    with pytest.raises(TransferFailed, match="exists already and is another file"):
        files.copy("config", "kept/config.1")
    assert kept.read_text() == "first"
    files.copy("config", "kept/config.1", replace=True)
    assert kept.read_text() == "second"
    assert _only(host.home / "kept") == ["config.1"]
    with pytest.raises(TransferFailed, match="none does not exist"):
        files.copy("none", "kept/none")


def test_as_root(session: Session, host: SshHost) -> None:
    tool = host.home / "bin" / "sudo"
    tool.parent.mkdir()
    tool.write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ] && [ "$1" != true ]; do shift; done\n[ "$1" = true ] || shift\nexec "$@"\n'
    )
    (host.home / "bin" / "id").write_text("#!/bin/sh\necho 1000\n")
    for path in tool.parent.iterdir():
        path.chmod(0o755)
    host.env["PATH"] = f"{tool.parent}:{host.env['PATH']}"
    files = Files(session, sudo=True)
    files.write("etc/it's.conf", b"data", 0o644)
    assert files.read("etc/it's.conf") == b"data"
    assert files.stat("etc/it's.conf") == _state("etc/it's.conf", b"data", 0o644)
    files.copy("etc/it's.conf", "etc/kept")
    files.remove("etc/it's.conf")
    assert _only(host.home / "etc") == ["kept"]
    files.remove_tree("etc/kept")
    files.remove_directory("etc")
    assert _only(host.home) == ["bin"]
    assert all(command.startswith(("sudo -n -- ", "if [")) for command in host.commands)


def test_directories_that_are_missing_are_told_outermost_first(files: Files, host: SshHost, tmp_path: Path) -> None:
    (host.home / "there").mkdir()
    (host.home / "a file").write_text("")
    (host.home / "link").symlink_to("there")
    above = str(tmp_path / "none")
    assert files.missing_above(
        ["f", "~/f", "there/f", "link/f", "there/one/two/f", ODD, f"{above}/deep/f", "a file/below"]
    ) == {
        "f": (), "~/f": (), "there/f": (), "link/f": (),
        "there/one/two/f": ("there/one", "there/one/two"),
        ODD: ("a folder",),
        f"{above}/deep/f": (above, f"{above}/deep"),
        "a file/below": ("a file",),
    }  # fmt: skip
    before = len(host.commands)
    assert files.missing_above([]) == {}
    assert len(host.commands) == before


def test_what_is_there_is_told_whatever_it_is(files: Files, host: SshHost) -> None:
    (host.home / "file").write_text("")
    (host.home / "folder").mkdir()
    (host.home / "dangling").symlink_to("nowhere")
    asked = ["file", "~/folder", "folder/", "dangling", "none", "file/below", "no/such"]
    assert files.existing(asked) == {"file", "~/folder", "folder/", "dangling"}
    assert files.existing([]) == frozenset()


def test_a_private_directory_is_nobody_elses(files: Files, host: SshHost) -> None:
    files.make_private(".runbook/it's kept")
    for folder in (host.home / ".runbook", host.home / ".runbook" / "it's kept"):
        assert folder.stat().st_mode & 0o7777 == 0o700
    (host.home / ".runbook" / "it's kept").chmod(0o755)
    files.make_private(".runbook/it's kept")
    assert (host.home / ".runbook" / "it's kept").stat().st_mode & 0o7777 == 0o700
    (host.home / "file").write_text("")
    with pytest.raises(CommandFailed, match="mkdir file"):
        files.make_private("file")


def test_a_directory_is_removed_only_while_it_is_empty(files: Files, host: SshHost) -> None:
    (host.home / "it's empty").mkdir()
    (host.home / "full" / "of").mkdir(parents=True)
    (host.home / "file").write_text("")
    for path in ("it's empty", "full", "none", "none/deeper", "file"):
        files.remove_directory(path)
    assert _only(host.home) == ["file", "full"]
    files.remove_directory("full/of")
    files.remove_directory("~/full")
    assert _only(host.home) == ["file"]


def test_a_tree_is_removed_with_all_that_is_in_it(files: Files, host: SshHost) -> None:
    outside = host.home.parent / "outside"
    (outside / "theirs").mkdir(parents=True)
    for path in ("bot/db/wal", "bot/log", "it's -a folder\n/below", "-r", "stay"):
        (host.home / path).mkdir(parents=True)
    (host.home / "file").write_text("")
    (host.home / "bot" / "db" / "readonly").write_text("")
    (host.home / "link").symlink_to(outside)
    (host.home / "bot" / "log" / "link").symlink_to(outside)
    (host.home / "inner").symlink_to("stay")
    (host.home / "stay" / "leaf").mkdir()
    for path in ("bot", "it's -a folder\n", "-r", "file", "link", "none", "none/below", "~/inner/leaf"):
        files.remove_tree(path)
    assert _only(host.home) == ["inner", "stay"]
    assert _only(host.home / "stay") == []
    assert _only(outside) == ["theirs"]


@pytest.mark.parametrize(
    "path",
    ["", ".", "./", "/", "~", "~/", "~/.", "~//etc", "~root", "..", "../h73", "bot/..", "bot/../..", "/{home}/bot"],
)
def test_a_tree_that_is_written_as_outside_the_home_is_refused_unseen(files: Files, host: SshHost, path: str) -> None:
    (host.home / "bot").mkdir()
    with pytest.raises(ParamsError, match=r"h73: .*is not inside the login's home"):
        files.remove_tree(path.format(home=host.home))
    assert host.commands == []
    assert _only(host.home) == ["bot"]


def test_a_tree_that_a_link_leads_out_of_the_home_to_is_refused(files: Files, host: SshHost) -> None:
    beside = host.home.parent / f"{host.home.name}-other"  # its name begins as the home's does
    (beside / "db").mkdir(parents=True)
    (host.home / "data").symlink_to(beside)
    (host.home / "up").symlink_to("..")
    for path in ("data/db", "up/h73-other", "up/h73"):
        with pytest.raises(CommandFailed, match=r"`rm -r .*is not inside"):
            files.remove_tree(path)
    assert _only(beside) == ["db"]
    assert _only(host.home) == ["data", "up"]
