"""What a host should have: files with given bytes, services that run them. And what it has."""

from __future__ import annotations

from dataclasses import dataclass, field

from runbook_lib.values import FileState


@dataclass(frozen=True, slots=True)
class File:
    """A file with these bytes and permission bits. ``path``: relative to the login's home unless absolute."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Service:
    """A unit that is enabled and runs; it is restarted when one of the host's planned files changes.

    ``unit_file``: path of its unit file, where that is planned too; a changed one needs a reload first.
    """

    name: str
    unit_file: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything one host should have. ``files`` are written in order, then ``service`` is brought up."""

    host: str
    files: tuple[File, ...]
    service: Service


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it stands on the host; ``content`` is None where there is none."""

    state: FileState
    content: bytes | None = field(repr=False)
