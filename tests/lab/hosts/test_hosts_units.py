from __future__ import annotations

import signal
from pathlib import Path

import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts.units import Command, ServiceUnit, parse_unit

KNOWN = {"h": "/r/home/freqai", "u": "freqai"}

FULL = """\
[Unit]
Description=freqtrade producer %n
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=60
StartLimitBurst=3

[Service]
Type=exec
WorkingDirectory=%h/freqtrade
Environment="A=1 2" B=%u
EnvironmentFile=-%h/.secrets
EnvironmentFile=/etc/other
ExecStartPre=-/bin/mkdir -p %h/logs
ExecStart=%h/freqtrade/.venv/bin/python -m freqtrade trade \\
    --config user_data/config.json
Restart=on-failure
RestartSec=5
KillSignal=SIGINT
TimeoutStopSec=1min
StandardOutput=append:/var/log/x
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
LimitNOFILE=65535

[Install]
WantedBy=default.target
"""


def parse(text: str, *more: str) -> ServiceUnit:
    files = [(Path(f"/u/{number}.conf"), part) for number, part in enumerate((text, *more))]
    return parse_unit("a.service", files, KNOWN)


def test_a_whole_unit() -> None:
    assert parse(FULL) == ServiceUnit(
        name="a.service",
        description="freqtrade producer a.service",
        type="exec",
        working_directory="/r/home/freqai/freqtrade",
        environment=(("A", "1 2"), ("B", "freqai")),
        environment_files=(("/r/home/freqai/.secrets", True), ("/etc/other", False)),
        exec_start_pre=(Command(("/bin/mkdir", "-p", "/r/home/freqai/logs"), may_fail=True),),
        exec_start=Command(
            (
                "/r/home/freqai/freqtrade/.venv/bin/python",
                *("-m", "freqtrade", "trade", "--config", "user_data/config.json"),
            )
        ),
        restart="on-failure",
        restart_seconds=5,
        start_limit_seconds=60,
        start_limit_burst=3,
        kill_signal=signal.SIGINT,
        stop_seconds=60,
        stdout="append:/var/log/x",
        umask=0o077,
        wanted_by=("default.target",),
        not_modelled=("After", "Wants", "NoNewPrivileges", "ProtectSystem", "LimitNOFILE"),
    )


def test_drop_ins_override_and_an_empty_value_starts_a_list_anew() -> None:
    unit = parse(
        "[Service]\nExecStart=/bin/a\nEnvironment=A=1\nRestart=no",
        "[Service]\nExecStart=\nExecStart=/bin/b\nEnvironment=B=2\nRestart=always",
    )
    assert unit.exec_start.words == ("/bin/b",)
    assert unit.environment == (("A", "1"), ("B", "2"))
    assert unit.restart == "always"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("User=root", "User=root"),
        ("ExecStopPost=/bin/x", "ExecStopPost"),
        ("Restrat=always", "Restrat"),
        ("Type=forking", "Type=forking"),
        ("Restart=sometimes", "Restart=sometimes"),
        ("ExecStart=/bin/second", "exactly one ExecStart"),
        ("WorkingDirectory=relative", "not absolute"),
        ("ExecStartPre=+/bin/as-root", "prefix"),
        ("RestartSec=soon", "time span"),
        ("Environment=nothing", "no assignment"),
        ("KillSignal=SIGNONE", "SIGNONE"),
        ("StandardOutput=socket", "socket"),
        ("Environment=A=%j", "%j"),
        ("[Timer]", "Timer"),
        ("rubbish", "line 3"),
    ],
)
def test_what_would_change_behaviour_is_refused(line: str, says: str) -> None:
    if line == "[Timer]":
        line = "[Timer]\nOnBootSec=1"
    with pytest.raises(LabError, match=r"unit a\.service") as caught:
        parse(f"[Service]\nExecStart=/bin/a\n{line}\n")
    assert says in str(caught.value)


def test_wanting_another_service_is_refused_but_not_a_target() -> None:
    with pytest.raises(LabError, match=r"redis\.service"):
        parse("[Unit]\nWants=redis.service\n[Service]\nExecStart=/bin/a")


def test_without_a_command_there_is_no_service() -> None:
    with pytest.raises(LabError, match="exactly one ExecStart"):
        parse("[Service]\nType=simple\n")
