"""What ``systemctl show``, ``status`` and ``list-units`` print about services."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from runbook_lib.lab.hosts.journal import tail
from runbook_lib.lab.hosts.service import Service, State
from runbook_lib.lab.hosts.supervisor import Supervisor


def properties(supervisor: Supervisor, name: str) -> dict[str, str]:
    """Return a unit's properties in the order they are printed; a unit that does not exist has them, too."""
    loaded = supervisor.loaded(name)
    service = loaded.service if loaded else None
    state = service.state if service else State()
    fragment, *drop_ins = supervisor.files(name).paths or (None,)
    found = {
        "Type": service.unit.type if service else "",
        "Restart": service.unit.restart if service else "no",
        "MainPID": str(state.main_pid),
        "Result": state.result,
        "NRestarts": str(state.restarts),
        "ExecMainStartTimestamp": _stamp(state.started),
        "ExecMainPID": str(state.main_pid),
        "ExecMainCode": "2" if state.status < 0 else str(int(not state.main_pid and state.started is not None)),
        "ExecMainStatus": str(abs(state.status)),
        "Id": name,
        "Names": name,
        "Description": service.unit.description if service else name,
        "LoadState": "not-found" if loaded is None else "bad-setting" if loaded.error else "loaded",
        "LoadError": loaded.error if loaded else "",
        "ActiveState": state.active,
        "SubState": state.sub,
        "FragmentPath": str(fragment or ""),
        "DropInPaths": " ".join(str(path) for path in drop_ins),
        "UnitFileState": supervisor.unit_file_state(name),
        "ActiveEnterTimestamp": _stamp(state.entered),
        "NeedDaemonReload": "yes" if supervisor.needs_reload(name) else "no",
        "InvocationID": state.invocation,
    }
    if loaded is None:
        found.pop("InvocationID")
    return found


def status(supervisor: Supervisor, name: str, lines: int) -> tuple[str, int]:
    """Return the text of ``systemctl status`` and its exit status."""
    found = properties(supervisor, name)
    active = found["ActiveState"]
    dot = {"active": "●", "failed": "\N{MULTIPLICATION SIGN}"}.get(active, "○")
    since = f" since {found['ActiveEnterTimestamp']}" if active == "active" else f" (Result: {found['Result']})"
    text = [
        f"{dot} {name} - {found['Description']}",
        f"     Loaded: {found['LoadState']} ({found['FragmentPath']}; {found['UnitFileState']})",
        f"     Active: {active} ({found['SubState']}){since}",
    ]
    if found["MainPID"] != "0":
        text.append(f"   Main PID: {found['MainPID']}")
    elif active == "failed":
        text.append(f"   Main PID: (code={found['ExecMainCode']}, status={found['ExecMainStatus']})")
    return "\n".join([*text, "", *tail(supervisor.host, name, lines), ""]), 0 if active == "active" else 3


def listing(services: Iterable[Service]) -> str:
    """Return one line per service."""
    return "".join(
        f"{service.unit.name} loaded {service.state.active} {service.state.sub} {service.unit.description}\n"
        for service in services
    )


def _stamp(seconds: float | None) -> str:
    if seconds is None:
        return ""
    zone = time.strftime("%Z", time.localtime(seconds))
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %Y-%m-%d %H:%M:%S ") + zone
