"""Ends a process, or the fleet's connections, at one event of the journal. Python imports a module of this name itself.

It is told by the environment, so that the product has no hook for it: SWEEP_FAULT says ``KIND MOMENT NUMBER``, such as
``kernel after 7``, or several of them with semicolons between; ``40_consumers:7`` is the seventh event of that phase.
Only libraries are imported that Python has loaded anyway: hosts and kernels start with it.

runner, kernel   that process gets SIGKILL
connection       all of the fleet's connections are torn, from the other side
sockets          all of this process's connections are torn, from this side, where the other cannot be told to
command          as connection, but in the midst of the next command that goes out
torn             whoever writes the journal gets SIGKILL with half a line written, as when the power goes

after: the event is on the disk, what it announces is not begun. before: what it tells of is done, it is not on the
disk. SWEEP_TRACE names a file that every event is told in: number, what, and who wrote it.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import signal
import socket
import sys
import threading

JOURNAL = "runbook_lib.change.journal"
FAULT, TRACE, CUT = "SWEEP_FAULT", "SWEEP_TRACE", "SWEEP_CUT"


def install():
    """Wrap the journal, now or as soon as it is loaded; without a fault or a trace in the environment do nothing."""
    if not os.environ.get(FAULT) and not os.environ.get(TRACE):
        return
    if JOURNAL in sys.modules:
        wrap(sys.modules[JOURNAL].Journal)
    else:
        sys.meta_path.insert(0, Finder())


class Finder(importlib.abc.MetaPathFinder):
    """Stands in line before Python's own finders, and steps out when the journal was found."""

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - importlib hands them over
        if name != JOURNAL:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            wrap(module.Journal)

        spec.loader.exec_module = exec_module
        return spec


def wrap(journal):
    """Let every write of a journal tell its number, and be the last one if it is its turn."""
    faults = {}
    for fault in filter(None, (os.environ.get(FAULT) or "").split(";")):
        kind, moment, number = fault.split()
        faults[moment, number if ":" in number else int(number)] = kind
    write = journal.write
    one_by_one = threading.RLock()  # the hosts of a batch write side by side: without it an event's turn is passed by

    def watched(self, what, host=None, **detail):
        with one_by_one:
            coming = ("before", len(lines(self.path)) + 1) if faults else None
            if coming in faults and (in_kernel() or faults[coming] != "kernel"):  # a runner tells that its kernel died
                strike(faults.pop(coming), self.path)
            event = write(self, what, host, **detail)
            tell(f"{event.number} {'kernel' if in_kernel() else 'runner'} {what}")
            for number in (event.number, f"{event.phase}:{of_phase(self.path, event.phase)}" if faults else None):
                if kind := faults.pop(("after", number), None):
                    strike(kind, self.path)
            return event

    journal.write = watched


def tell(line):
    """Write a line into the trace, if there is to be one."""
    if os.environ.get(TRACE):
        with open(os.environ[TRACE], "a", encoding="utf-8") as trace:
            trace.write(f"{line}\n")


def in_kernel():
    """Whether this process runs a notebook."""
    return "ipykernel" in sys.argv[0]


def lines(path):
    """Return the journal's lines; none if there is no journal yet."""
    try:
        with open(path, "rb") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def of_phase(path, phase):
    """Return how many of the journal's events a phase has written."""
    return sum(f'"phase": "{phase}"'.encode() in line for line in lines(path))


def strike(kind, path):
    """Do it."""
    tell(f"struck {kind}")
    if kind == "runner":
        os.kill(os.getppid() if in_kernel() else os.getpid(), signal.SIGKILL)
    elif kind == "kernel":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "connection":
        cut()
    elif kind == "sockets":
        tear()
    elif kind == "command":
        cut_next()
    elif kind == "torn":
        with open(path, "ab") as file:
            file.write(b'{"number": 999, "at": 17')
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        raise ValueError(kind)


def cut():
    """Have all connections of the fleet torn; come back when they are."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hosts:
        hosts.connect(os.environ[CUT])
        hosts.sendall(b"cut\n")
        hosts.recv(16)


def tear():
    """Tear every SSH connection of this process."""
    import gc  # noqa: PLC0415 - only here

    import paramiko  # noqa: PLC0415 - half of the processes that start with this module have no use for it

    for found in gc.get_objects():
        if type(found) is paramiko.Transport:
            found.sock.close()


def cut_next():
    """Have them torn as soon as one more command has gone out."""
    import paramiko  # noqa: PLC0415 - half of the processes that start with this module have no use for it

    send = paramiko.Channel.exec_command

    def last(channel, command):
        paramiko.Channel.exec_command = send
        send(channel, command)
        cut()

    paramiko.Channel.exec_command = last


install()
