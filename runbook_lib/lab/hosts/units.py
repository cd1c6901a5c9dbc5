"""Service units: from the text of a unit file and its drop-ins to a frozen record. Pure.

What changes how a service runs is modelled or refused; what is harmless (order, hardening, limits) is kept by name.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts import syntax

_MODELLED = {
    "Unit": {"Description", "StartLimitIntervalSec", "StartLimitBurst"},
    "Service": {
        *("Type", "ExecStart", "ExecStartPre", "WorkingDirectory", "Environment", "EnvironmentFile", "UMask"),
        *("Restart", "RestartSec", "SuccessExitStatus", "RestartPreventExitStatus"),
        *("KillSignal", "KillMode", "SendSIGKILL", "TimeoutSec", "TimeoutStartSec", "TimeoutStopSec"),
        *("StandardOutput", "StandardError"),
    },
    "Install": {"WantedBy"},
}
_HARMLESS = {
    "Unit": {"After", "Before", "Wants", "Documentation", "DefaultDependencies"},
    "Service": {
        *("NoNewPrivileges", "SyslogIdentifier", "Nice", "IOSchedulingClass", "IOSchedulingPriority", "ExecReload"),
        *("OOMScoreAdjust", "OOMPolicy", "LockPersonality", "MemoryDenyWriteExecute", "CapabilityBoundingSet"),
        *("AmbientCapabilities", "SystemCallFilter", "SystemCallArchitectures", "SystemCallErrorNumber", "KeyringMode"),
        *("RemoveIPC", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "NotifyAccess", "DevicePolicy"),
        *("MemoryMax", "MemoryHigh", "MemoryAccounting", "CPUQuota", "CPUWeight", "CPUAccounting", "TasksMax"),
        *("GuessMainPID", "LogRateLimitBurst", "LogRateLimitIntervalSec"),
    },
    "Install": {"Alias"},
}
_HARMLESS_PREFIXES = {"Service": ("Limit", "Protect", "Private", "Restrict", "LogLevel", "IPAddress")}
_CHOICES = {
    "Type": ("simple", "exec", "notify"),
    "Restart": ("no", "always", "on-success", "on-failure", "on-abnormal", "on-abort"),
    "KillMode": ("control-group", "mixed", "process"),
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command line. ``may_fail``: its failure is ignored (the ``-`` prefix); ``expand``: variables are replaced."""

    words: tuple[str, ...]
    may_fail: bool = False
    expand: bool = True


@dataclass(frozen=True, slots=True)
class ServiceUnit:
    """A service as its files say. Times in seconds; ``not_modelled`` names directives that have no effect here."""

    name: str
    exec_start: Command
    exec_start_pre: tuple[Command, ...] = ()
    description: str = ""
    type: str = "simple"
    working_directory: str | None = None
    working_directory_optional: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    environment_files: tuple[tuple[str, bool], ...] = ()
    """Path, and whether it may be missing."""
    umask: int = 0o022
    restart: str = "no"
    restart_seconds: float = 0.1
    success_statuses: frozenset[int] = frozenset()
    """Exit codes; signals as negative numbers."""
    restart_prevented: frozenset[int] = frozenset()
    start_limit_seconds: float = 10.0
    start_limit_burst: int = 5
    kill_signal: int = signal.SIGTERM
    kill_mode: str = "control-group"
    send_sigkill: bool = True
    start_seconds: float = 90.0
    stop_seconds: float = 90.0
    stdout: str = "journal"
    stderr: str = "inherit"
    wanted_by: tuple[str, ...] = ()
    not_modelled: tuple[str, ...] = ()


def parse_unit(name: str, files: Iterable[tuple[Path, str]], known: Mapping[str, str]) -> ServiceUnit:
    """Read a unit file and its drop-ins, given in order as (path, text). ``known``: specifier letter -> value."""
    values: dict[str, list[str]] = {}
    ignored: list[str] = []
    for path, text in files:
        where = path.name
        try:
            for number, section, key, value in syntax.assignments(text):
                where = f"{path.name}, line {number}"
                if _is_modelled(section, key, value):
                    values[key] = [*values.get(key, []), value] if value else []  # an empty value starts the list anew
                else:
                    ignored.append(key)
        except ValueError as error:
            raise LabError(f"unit {name}: {where}: {error}", remedy="correct the unit file") from error
    try:
        return _build(name, values, ignored, {**known, **_names(name)})
    except ValueError as error:
        raise LabError(f"unit {name}: {error}", remedy="correct the unit file") from error


def _names(name: str) -> dict[str, str]:
    bare = name.removesuffix(".service")
    return {"n": name, "N": bare, "p": bare, "%": "%"}


def _is_modelled(section: str, key: str, value: str) -> bool:
    """Say whether a directive is modelled (True) or harmless (False); anything else is a ValueError."""
    if section.startswith("X-") or key.startswith("X-"):
        return False
    if section not in _MODELLED:
        raise ValueError(f"section [{section}] is not known in a service unit")
    if key in _MODELLED[section]:
        return True
    needs_service = key == "Wants" and any(not word.endswith(".target") for word in value.split())
    if (key in _HARMLESS[section] and not needs_service) or key.startswith(_HARMLESS_PREFIXES.get(section, ("\0",))):
        return False
    raise ValueError(
        f"{key}={value} in [{section}] would change how the service runs, and embedded hosts do not model it"
    )


def _build(name: str, values: Mapping[str, list[str]], ignored: list[str], known: Mapping[str, str]) -> ServiceUnit:
    def last(key: str, default: str) -> str:
        found = values.get(key) or [default]
        value = syntax.specifiers(found[-1], known)
        if key in _CHOICES and value not in _CHOICES[key]:
            raise ValueError(f"{key}={value} is not modelled; one of {', '.join(_CHOICES[key])} is")
        return value

    def words(key: str) -> list[str]:
        return [syntax.specifiers(word, known) for line in values.get(key, []) for word in syntax.split(line)]

    commands = values.get("ExecStart", [])
    if len(commands) != 1:
        raise ValueError(f"a service of this type has exactly one ExecStart=, this one has {len(commands)}")
    directory = last("WorkingDirectory", "")
    both = last("TimeoutSec", "90")
    return ServiceUnit(
        name=name,
        exec_start=_command(commands[0], known),
        exec_start_pre=tuple(_command(line, known) for line in values.get("ExecStartPre", [])),
        description=last("Description", name),
        type=last("Type", "simple"),
        working_directory=_directory(directory, known) if directory else None,
        working_directory_optional=directory.startswith("-"),
        environment=tuple(_pair(word) for word in words("Environment")),
        environment_files=tuple(
            (syntax.specifiers(path.removeprefix("-"), known), path.startswith("-"))
            for path in values.get("EnvironmentFile", [])
        ),
        umask=int(last("UMask", "022"), 8),
        restart=last("Restart", "no"),
        restart_seconds=syntax.seconds(last("RestartSec", "100ms")),
        success_statuses=frozenset(_status(word) for word in words("SuccessExitStatus")),
        restart_prevented=frozenset(_status(word) for word in words("RestartPreventExitStatus")),
        start_limit_seconds=syntax.seconds(last("StartLimitIntervalSec", "10s")),
        start_limit_burst=int(last("StartLimitBurst", "5")),
        kill_signal=abs(_status(last("KillSignal", "SIGTERM"))),
        kill_mode=last("KillMode", "control-group"),
        send_sigkill=_truth(last("SendSIGKILL", "yes")),
        start_seconds=syntax.seconds(last("TimeoutStartSec", both)) or float("inf"),
        stop_seconds=syntax.seconds(last("TimeoutStopSec", both)) or float("inf"),
        stdout=_output(last("StandardOutput", "journal")),
        stderr=_output(last("StandardError", "inherit")),
        wanted_by=tuple(words("WantedBy")),
        not_modelled=tuple(dict.fromkeys(ignored)),
    )


def _command(line: str, known: Mapping[str, str]) -> Command:
    prefix = line[: len(line) - len(line.lstrip("-:@+!|"))]
    if set(prefix) - set("-:"):
        raise ValueError(f"prefix {prefix!r} of {line!r} is not modelled")
    words = tuple(syntax.specifiers(word, known) for word in syntax.split(line[len(prefix) :]))
    if not words or ";" in words:
        raise ValueError(f"exactly one command, please: {line!r}")
    return Command(words, may_fail="-" in prefix, expand=":" not in prefix)


def _directory(text: str, known: Mapping[str, str]) -> str:
    path = text.removeprefix("-")
    path = known["h"] if path == "~" else path
    if not path.startswith("/"):
        raise ValueError(f"WorkingDirectory={text} is not absolute")
    return path


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise ValueError(f"Environment={word} is no assignment")
    return key, value


def _status(word: str) -> int:
    if word.isdigit():
        return int(word)
    try:
        return -signal.Signals[word if word.startswith("SIG") else f"SIG{word}"]
    except KeyError:
        raise ValueError(f"neither an exit code nor a signal: {word}") from None


def _truth(word: str) -> bool:
    if word not in {"yes", "true", "on", "1", "no", "false", "off", "0"}:
        raise ValueError(f"neither yes nor no: {word}")
    return word in {"yes", "true", "on", "1"}


def _output(text: str) -> str:
    if text not in {"journal", "inherit", "null"} and not text.startswith(("append:/", "truncate:/")):
        raise ValueError(
            f"output {text!r} is not modelled; journal, null, inherit, append:/path and truncate:/path are"
        )
    return text
