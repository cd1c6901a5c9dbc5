"""What the lab is told when it starts; written as JSON between the command that starts it and the lab itself."""

from __future__ import annotations

from pathlib import Path

from runbook_lib.params.model import HostName, Model, Port


class FeederSettings(Model):
    """One feeder as its operator left it: real freqtrade that downloads its pairs itself."""

    host: HostName
    unit: str
    config: str
    directory: str
    pairs: list[str]
    timeframe: str
    enable_ws: bool
    log_config: dict[str, object]
    rest_api_port: Port = 8080


class LabSettings(Model):
    """The whole lab.

    Addresses are loopback addresses; ``operator``: where the exchange counts the operator's own calls; ``freqtrade``:
    the environment that the bots run in.
    """

    site: str
    directory: Path
    freqtrade: Path
    user: str
    ssh_port: Port
    key: Path
    known_hosts: Path
    hosts: dict[HostName, str]
    operator: str
    feeders: list[FeederSettings]
    seed: int
    pairs: list[str]
    exchange_port: Port
    admin_port: Port
    weight_per_minute: int
    late_share: float
    late_seconds: float
    ccxt_config: dict[str, dict[str, object]]
