"""From a host of the inventory to the hops that lead there, as the operator's ssh_config says."""

from __future__ import annotations

import fnmatch
import io
import shlex
from dataclasses import dataclass
from pathlib import Path

import paramiko

from runbook_lib.errors import ParamsError
from runbook_lib.fleet.known_hosts import name_of
from runbook_lib.params.model import Ssh

_USUAL_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_DEPTH = 8  # files that include files; a ring of them must end


@dataclass(frozen=True, slots=True)
class Hop:
    """One SSH connection of a route. ``known_as``: its name in known_hosts; ``keys``: files to try, in order."""

    name: str
    address: str
    port: int
    user: str
    known_as: str
    keys: tuple[Path, ...]
    agent: bool


Route = tuple[Hop, ...]
"""Jump hosts first, the host itself last."""


class Routes:
    """Finds routes. What ssh_config says about a host wins over the site's defaults, as it is more particular.

    The host is looked up under its inventory name where the file has a ``Host`` line for it, else under its address.
    """

    def __init__(self, ssh: Ssh) -> None:
        self._ssh = ssh
        self._config = _read(ssh.config.expanduser()) if ssh.config else paramiko.SSHConfig()
        self._patterns = [pattern for pattern in self._config.get_hostnames() if pattern.strip("*")]

    def to(self, name: str, address: str) -> Route:
        """Return the hops to a host of the inventory."""
        named = any(fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns)
        return self._route(name if named else address, name, address, seen=())

    def _route(self, alias: str, name: str, address: str, *, seen: tuple[str, ...], default: str = "") -> Route:
        options = self._config.lookup(alias)
        if options.get("proxycommand"):
            raise ParamsError(
                f"{name}: ssh_config sets a ProxyCommand, which is not supported", remedy="say it as ProxyJump"
            )
        if options["hostname"] != alias:
            address = options["hostname"]
        hop = self._hop(name, address, options, default)
        jump = options.get("proxyjump", "none")
        if jump.lower() == "none":
            return (hop,)
        if alias in seen:
            raise ParamsError(f"{name}: ProxyJump goes round in circles", remedy=f"mend {self._ssh.config}")
        first, *others = (part.strip() for part in jump.split(","))
        return (*self._jump(first, (*seen, alias)), *(self._jump(other, (*seen, alias))[-1] for other in others), hop)

    def _jump(self, text: str, seen: tuple[str, ...]) -> Route:
        """Read ``[user@]host[:port]``; the jump host may have lines of its own in the file."""
        user, _, place = text.removeprefix("ssh://").rpartition("@")
        host, _, port = place.rpartition(":") if place.count(":") == 1 or "]:" in place else (place, "", "")
        host = host.strip("[]")
        *before, hop = self._route(host, host, host, seen=seen, default=user)
        if port:
            if not port.isdecimal():
                raise ParamsError(f"ProxyJump {text}: no such port", remedy=f"mend {self._ssh.config}")
            hop = Hop(
                hop.name, hop.address, int(port), hop.user, name_of(hop.address, int(port)), hop.keys, agent=hop.agent
            )
        return (*before, hop)

    def _hop(self, name: str, address: str, options: paramiko.SSHConfigDict, user: str) -> Hop:
        jump = name == address
        port = int(options.get("port", 22 if jump else self._ssh.port))
        chosen = [self._ssh.key] if self._ssh.key else []
        files = [*chosen, *(Path(file) for file in options.get("identityfile", []))]
        only = bool(chosen) or options.get("identitiesonly", "no").lower() == "yes"
        keys = files or [path for path in map(Path, _USUAL_KEYS) if path.expanduser().exists()]
        return Hop(
            name=name,
            address=address,
            port=port,
            user=user or options.get("user", self._ssh.user),
            known_as=options.get("hostkeyalias") or name_of(address, port),
            keys=tuple(path.expanduser() for path in keys),
            agent=not only,
        )


def _read(path: Path) -> paramiko.SSHConfig:
    config = paramiko.SSHConfig()
    try:
        config.parse(io.StringIO("\n".join(_lines(path, _DEPTH))))
    except FileNotFoundError as error:
        raise ParamsError(f"{error.filename}: no such ssh_config", remedy="check ssh.config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} cannot be read: {error}", remedy="check ssh.config") from None
    except paramiko.ConfigParseError as error:
        raise ParamsError(f"{path}: {error}", remedy="mend the file, or name another in ssh.config") from None
    return config


def _lines(path: Path, depth: int) -> list[str]:
    """Return the file's lines with its Include lines replaced by what they include; paramiko passes over those."""
    if not depth:
        raise ParamsError(f"{path}: Include goes too deep", remedy="mend ssh.config")
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.strip().replace("=", " ", 1).split(None, 1)
        if words and words[0].lower() == "include" and len(words) == 2:
            for pattern in shlex.split(words[1]):
                full = Path(pattern).expanduser()
                base = full if full.is_absolute() else Path("~/.ssh").expanduser() / full
                for included in sorted(Path(base.anchor).glob(str(base.relative_to(base.anchor)))):
                    lines.extend(_lines(included, depth - 1))
        else:
            lines.append(line)
    return lines
