"""The systemd unit that keeps a producer running."""

from __future__ import annotations

from pathlib import PurePosixPath

from runbook_lib.freqtrade.configs.producer import STRATEGY, producer_config_path
from runbook_lib.freqtrade.params import FreqtradeSite

# These work for a login's own systemd too; those that need mounts or capabilities would keep such a unit from starting.
_HARDENING = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
UMask=0077
"""
_NETWORK = """\
After=network-online.target
Wants=network-online.target
"""  # only the host's own systemd knows of the network
_SYSTEM_HARDENING = """\
PrivateTmp=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
CapabilityBoundingSet=
"""


def producer_unit(site: FreqtradeSite, host: str) -> str:
    """Write the unit of the producer on ``host``, for the systemd that ``site.units`` names.

    freqtrade stops in order on SIGTERM as on Ctrl-C (it turns one into the other) and then ends with status 130. A
    config that it refuses ends with status 0, so a restart follows only where trying again can help.
    """
    system = site.units == "system"
    python, directory = (
        _absolute(path, site) if system else _in_home(path)
        for path in (site.freqtrade.python, site.freqtrade.directory)
    )
    command = f"{python} -m freqtrade trade --config {producer_config_path(host)} --strategy {STRATEGY}"
    return f"""\
[Unit]
Description=freqtrade data producer {host} ({len(site.producers[host].pairs)} pairs)
{_NETWORK if system else ""}\
# an exchange that is away for an hour must not leave the producer down for good
StartLimitIntervalSec=0

[Service]
{f"User={site.ssh.user}" + chr(10) if system else ""}\
WorkingDirectory={directory}
ExecStart={command} --userdir user_data
Restart=on-failure
RestartSec=20
TimeoutStopSec=45
SuccessExitStatus=130
{_HARDENING}{_SYSTEM_HARDENING if system else ""}
[Install]
WantedBy={"multi-user.target" if system else "default.target"}
"""


def _in_home(path: str) -> str:
    """Let systemd fill in the login's home."""
    return path if PurePosixPath(path).is_absolute() else f"%h/{path}"


def _absolute(path: str, site: FreqtradeSite) -> str:
    """In a system unit %h is root's home: spell out the login's."""
    home = "/root" if site.ssh.user == "root" else f"/home/{site.ssh.user}"
    return path if PurePosixPath(path).is_absolute() else f"{home}/{path}"
