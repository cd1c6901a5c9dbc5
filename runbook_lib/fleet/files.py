"""Files on a host: read, looked at, written whole or not at all. Every call is one round trip."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from runbook_lib.errors import DeadlineExceeded, ParamsError, TransferFailed, Unreachable
from runbook_lib.fleet.session import Session
from runbook_lib.values import CommandResult, FileState

_STAT: Final = """\
import hashlib, os, stat
def main(paths):
    found = []
    for path in paths:
        try:
            with open(path, "rb", opener=lambda p, f: os.open(p, f | os.O_NONBLOCK)) as file:
                about = os.fstat(file.fileno())
                if not stat.S_ISREG(about.st_mode):
                    raise SystemExit(path + " is no plain file")
                digest = hashlib.sha256()
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
            found.append([digest.hexdigest(), stat.S_IMODE(about.st_mode), about.st_size])
        except FileNotFoundError:
            found.append(None)
    return found
"""

_LOOK: Final = """\
import os
def main(paths):
    missing = {}
    for path in paths:
        above, missing[path] = os.path.dirname(path), []
        while above and not os.path.isdir(above):
            missing[path].insert(0, above)
            above = os.path.dirname(above)
    return missing, [path for path in paths if os.path.lexists(path)]
"""

# Written beside its place under a name of its own, checked, on the disk, and only then renamed. The rest of a transfer
# that was cut looks like the end of the file to cat, so that the digest tells, and the trap sweeps up. What a host that
# lost its power left is swept up by whoever comes next, who so fences off a forerunner whose connection was lost, too:
# without its new file it can no longer rename it, however late it gets there.
_SWEEP: Final = """\
sweep() { rm -f -- "$(dirname -- "$1")/.$(basename -- "$1").runbook-"??????; }\
"""
_PLACE: Final = """\
set -eu
umask 077
{sweep}
path=$(readlink -m -- {path})
mkdir -p -- "$(dirname -- "$path")"
[ ! -d "$path" ] || {{ echo "$path is a directory" >&2; exit 1; }}
sweep "$path"
new=$(mktemp -- "$(dirname -- "$path")/.$(basename -- "$path").runbook-XXXXXX")
trap 'rm -f -- "$new"' EXIT
trap 'exit 1' HUP INT TERM PIPE
{fill}
[ "$(sha256sum < "$new" | cut -d ' ' -f 1)" = {digest} ] || {{ echo "digest differs: cut off on the way" >&2; exit 1; }}
{attributes}
sync -- "$new"
{rename}
sync -- "$(dirname -- "$path")"
"""
_OWNER: Final = """\
[ ! -e "$path" ] || chown --reference="$path" -- "$new"
chmod {mode:04o} -- "$new"\
"""
_COPY: Final = """\
cp --preserve=mode,ownership,timestamps -- {source} "$new"\
"""
_LINK: Final = """\
if ! ln -T -- "$new" "$path" 2>/dev/null; then
    cmp -s -- "$new" "$path" || { echo "$path exists already and is another file" >&2; exit 1; }
fi\
"""
# Where it lies is found out on the host: a link on the way to it may lead out of the home.
_REMOVE_TREE: Final = """\
set -eu
home=$(pwd -P)
above=$(readlink -m -- {above})
case "$home:$above/" in
/:*) inside=no ;;
"$home:$home"/*) inside=yes ;;
*) inside=no ;;
esac
[ "$inside" = yes ] || {{ echo "$above is not inside $home" >&2; exit 1; }}
exec rm -rf --one-file-system -- "$above"/{name}
"""


class Files:
    """The files of one host. Paths are relative to the login's home unless absolute; ``sudo``: as root."""

    def __init__(self, session: Session, *, sudo: bool = False) -> None:
        self._session = session
        self._sudo = sudo

    def read(self, path: str, *, deadline: float | None = None) -> bytes | None:
        """Return the file's bytes, None if there is no such file."""
        command = f"LC_ALL=C exec cat -- {_quoted(path)}"
        result = self._run(command, deadline=deadline)
        if result.status == 0:
            return result.stdout
        if result.stderr.strip().endswith(b"No such file or directory"):
            return None
        raise self._session.failure(f"cat {path}", result)

    def stat(self, path: str) -> FileState:
        """Look at one file; see `stat_all`."""
        return self.stat_all([path])[path]

    def stat_all(self, paths: Iterable[str], *, deadline: float | None = None) -> dict[str, FileState]:
        """Look at many files in one round trip; their digests are computed on the host."""
        wanted = list(paths)
        found = self._session.python(_STAT, [_plain(path) for path in wanted], deadline=deadline, sudo=self._sudo)
        return {
            path: FileState(path, True, *seen) if seen else FileState(path, False)
            for path, seen in zip(wanted, found, strict=True)
        }

    def missing_above(self, paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Say which directories above each path are not there, outermost first; writing the file would make them."""
        missing, _ = self._look(paths)
        return missing

    def existing(self, paths: Iterable[str]) -> frozenset[str]:
        """Say which of these are there: files, directories, or links wherever they lead."""
        _, there = self._look(paths)
        return there

    def _look(self, paths: Iterable[str]) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
        wanted = {path: _plain(path) for path in paths}
        if not wanted:
            return {}, frozenset()
        missing, there = self._session.python(_LOOK, list(wanted.values()), sudo=self._sudo)
        return (
            {path: tuple(missing[plain]) for path, plain in wanted.items()},
            frozenset(path for path, plain in wanted.items() if plain in there),
        )

    def write(self, path: str, data: bytes, mode: int, *, deadline: float | None = None) -> FileState:
        """Put ``data`` there whole, with permission bits ``mode``; parents are made, a link is followed.

        Owner and group stay who they were; a file of somebody else's whom this login may not give it back to is not
        written: no rollback could either. Raises TransferFailed; what stood there before then still stands, or, if the
        connection was lost at the last moment, all of what is new.
        """
        digest = hashlib.sha256(data).hexdigest()
        command = _PLACE.format(
            sweep=_SWEEP,
            path=_quoted(path),
            fill='cat > "$new"',
            digest=digest,
            attributes=_OWNER.format(mode=mode),
            rename='mv -fT -- "$new" "$path"',
        )
        self._place(f"writing {path}", command, data, deadline)
        return FileState(path, True, digest, mode, len(data))

    def copy(self, source: str, target: str, *, replace: bool = False, deadline: float | None = None) -> FileState:
        """Copy a file on the host, with mode, owner and times: this is how originals are kept.

        A target that exists is left alone if it is equal, and refused if not, unless ``replace``.
        """
        state = self.stat(source)
        if not state.exists:
            raise TransferFailed(f"{source} does not exist", remedy="nothing to copy", host=self._session.name)
        command = _PLACE.format(
            sweep=_SWEEP,
            path=_quoted(target),
            fill=_COPY.format(source=_quoted(source)),
            digest=state.sha256,
            attributes=":",
            rename='mv -fT -- "$new" "$path"' if replace else _LINK,
        )
        self._place(f"copying {source} to {target}", command, b"", deadline)
        return FileState(target, True, state.sha256, state.mode, state.size)

    def remove(self, path: str) -> None:
        """Remove a file, and what `sweep` would; nothing if there is none."""
        at = _quoted(path)
        self._do(f"rm {path}", f'{_SWEEP}\npath=$(readlink -m -- {at})\nrm -f -- {at} && sweep "$path"')

    def sweep(self, paths: Iterable[str]) -> None:
        """Remove what writing these files may have left beside them when the host lost its power midway.

        A writing of them that is still under way somewhere fails from here on and leaves them as they are.
        """
        wanted = list(paths)
        each = "\n".join(f'sweep "$(readlink -m -- {_quoted(path)})"' for path in wanted)
        self._do(f"sweeping up after {', '.join(wanted)}", f"set -e\n{_SWEEP}\n{each}")

    def make_private(self, path: str) -> None:
        """Make a directory that none but its owner may look into; one that is there already becomes so."""
        self._do(f"mkdir {path}", f"umask 077; mkdir -p -- {_quoted(path)} && chmod 700 -- {_quoted(path)}")

    def remove_directory(self, path: str) -> None:
        """Remove a directory if it is empty; nothing if it is not, or if there is none."""
        self._do(f"rmdir {path}", f"[ ! -d {_quoted(path)} ] || rmdir --ignore-fail-on-non-empty -- {_quoted(path)}")

    def remove_tree(self, path: str) -> None:
        """Remove a file, a link or a directory with all that is in it; nothing if there is none.

        Raises ParamsError, and CommandFailed where only the host can tell, unless it is strictly inside the login's
        home. A link is removed, not what it leads to; another file system mounted below stays.
        """
        if not inside_home(path):
            raise ParamsError(
                f"{path} is not inside the login's home", remedy="nothing was removed", host=self._session.name
            )
        plain = PurePosixPath(_plain(path))
        command = _REMOVE_TREE.format(above=shlex.quote(str(plain.parent)), name=shlex.quote(plain.name))
        self._do(f"rm -r {path}", command)

    def _do(self, what: str, command: str) -> None:
        result = self._run(command)
        if result.status != 0:
            raise self._session.failure(what, result)

    def _place(self, what: str, command: str, data: bytes, deadline: float | None) -> None:
        host = self._session.name
        try:
            result = self._run(command, data, deadline=deadline)
        except (Unreachable, DeadlineExceeded) as error:
            raise TransferFailed(
                f"{what}: cut off: {error.what}",
                remedy="the old file or the whole new one stands there; look",
                host=host,
            ) from error
        if result.status != 0:
            told = self._session.failure(what, result)
            raise TransferFailed(told.what, remedy="the host is as it was; mend the cause, run again", host=host)

    def _run(self, command: str, stdin: bytes = b"", *, deadline: float | None = None) -> CommandResult:
        run = self._session.sudo if self._sudo else self._session.run
        return run(command, stdin=stdin, deadline=deadline, check=False)


def inside_home(path: str) -> bool:
    """Whether a path, as it is written, leads to something strictly inside the login's home."""
    plain = PurePosixPath(_plain(path))
    return (
        bool(plain.parts) and not plain.is_absolute() and not plain.parts[0].startswith("~") and ".." not in plain.parts
    )


def _plain(path: str) -> str:
    return path.removeprefix("~/") or "."


def _quoted(path: str) -> str:
    return shlex.quote(_plain(path))
