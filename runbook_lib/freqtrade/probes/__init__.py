"""What is measured on hosts: a script that runs there, and a pure reading of what it answers."""

from runbook_lib.freqtrade.probes.bot import BotState, bot_state, frames
from runbook_lib.freqtrade.probes.host import ClockReading, HostFacts, HostFile, Port, clock, host_facts
from runbook_lib.freqtrade.probes.reach import Reach, reach
from runbook_lib.freqtrade.probes.request_log import request_counts
from runbook_lib.freqtrade.probes.script import PythonHost
from runbook_lib.freqtrade.probes.weight import WeightSample, WeightSeries, weight, weight_series

__all__ = [
    "BotState",
    "ClockReading",
    "HostFacts",
    "HostFile",
    "Port",
    "PythonHost",
    "Reach",
    "WeightSample",
    "WeightSeries",
    "bot_state",
    "clock",
    "frames",
    "host_facts",
    "reach",
    "request_counts",
    "weight",
    "weight_series",
]
