"""Files of a host over SFTP. Relative paths start at the login's home, absolute ones lie below the host's root.

``realpath`` answers with the place on this machine's disk, which is what commands on the host see, too; such a path is
understood as it is. Links that lead out of the root (the shared freqtrade environment) are read, never written through.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Awaitable
from typing import Protocol

import asyncssh

from runbook_lib.lab.hosts.settings import HostSettings

WRITING = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC
WRITING_56 = 0x2 | 0x4 | 0x100  # ACE4_WRITE_DATA, ACE4_APPEND_DATA, ACE4_WRITE_ATTRIBUTES
DISPOSITION, OPEN_EXISTING = 0x7, 0x2  # FXF_ACCESS_DISPOSITION, FXF_OPEN_EXISTING


class _Named(Protocol):
    name: bytes


class HostFiles(asyncssh.SFTPServer):
    """The SFTP subsystem of one session."""

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes], host: HostSettings) -> None:
        super().__init__(chan)
        self._root = os.fsencode(host.root)
        self._home = os.fsencode(host.home)

    def map_path(self, path: bytes) -> bytes:
        """Return where ``path`` lies on disk. ``..`` ends at the root, as it does on any host."""
        path = posixpath.normpath(posixpath.join(self._home, path))
        if path == self._root or path.startswith(self._root + b"/"):
            return path
        return posixpath.normpath(posixpath.join(self._root, path.lstrip(b"/")))

    def _keep_inside(self, path: bytes, *, follow: bool) -> None:
        """Refuse to write outside the root. ``follow``: it is the link's target that would be written."""
        place = self.map_path(path)
        real = os.path.realpath(place if follow else posixpath.dirname(place))
        if real != self._root and not real.startswith(self._root + b"/"):
            shown = path.decode("utf-8", "backslashreplace")
            raise asyncssh.SFTPPermissionDenied(f"{shown}: leads out of this host's root, read only")

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file; for writing only inside the root."""
        if pflags & WRITING:
            self._keep_inside(path, follow=True)
        return super().open(path, pflags, attrs)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file, protocol version 5 and later."""
        if desired_access & WRITING_56 or flags & DISPOSITION != OPEN_EXISTING:
            self._keep_inside(path, follow=True)
        return super().open56(path, desired_access, flags, attrs)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Awaitable[None] | None:
        """Set modes, times, size."""
        self._keep_inside(path, follow=True)
        return super().setstat(path, attrs)

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Awaitable[None] | None:
        """Set modes and times of a link itself."""
        self._keep_inside(path, follow=False)
        return super().lsetstat(path, attrs)

    def fsetstat(self, file_obj: _Named, attrs: asyncssh.SFTPAttrs) -> Awaitable[None] | None:  # type: ignore[override]  # any open file has a name
        """Set modes, times, size of an open file, which may have been opened for reading only."""
        self._keep_inside(file_obj.name, follow=True)
        return super().fsetstat(file_obj, attrs)

    def remove(self, path: bytes) -> Awaitable[None] | None:
        """Remove a file or a link."""
        self._keep_inside(path, follow=False)
        return super().remove(path)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Awaitable[None] | None:
        """Make a directory."""
        self._keep_inside(path, follow=False)
        return super().mkdir(path, attrs)

    def rmdir(self, path: bytes) -> Awaitable[None] | None:
        """Remove an empty directory."""
        self._keep_inside(path, follow=False)
        return super().rmdir(path)

    def rename(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        """Rename unless the new name is taken."""
        self._keep_inside(oldpath, follow=False)
        self._keep_inside(newpath, follow=False)
        return super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        """Rename, replacing what stands there in one step."""
        self._keep_inside(oldpath, follow=False)
        self._keep_inside(newpath, follow=False)
        return super().posix_rename(oldpath, newpath)

    def symlink(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        """Make a symbolic link; a target beyond the root becomes one inside, as ``..`` ends at the root."""
        self._keep_inside(newpath, follow=False)
        return super().symlink(oldpath, newpath)

    def link(self, oldpath: bytes, newpath: bytes) -> Awaitable[None] | None:
        """Make a hard link; a file outside must not get a writable name inside."""
        self._keep_inside(oldpath, follow=True)
        self._keep_inside(newpath, follow=False)
        return super().link(oldpath, newpath)
