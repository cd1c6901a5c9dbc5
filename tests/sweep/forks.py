"""Ready interpreters: one process imports what the runner and its kernels import, and is forked for each of them.

A sweep starts thousands of processes that would spend nine tenths of their time on importing the same modules. What is
forked is otherwise as if it had been executed: a process of its own in a session of its own, a kernel the child of its
runner, with the environment, the directory and the files that it was given; it can be killed and waited for.
Kernels are forked off while nothing but imports has happened in their runner yet, and wait there to be woken.

As a program, `python forks.py FD` is that process. `Interpreters` is the handle of it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import nbformat

from runbook_lib.record import report, statement

FAULTS = Path(__file__).parent / "faults"
IMPORTED = (
    *(
        "ipykernel.kernelapp",
        "ipykernel.ipkernel",
        "ipykernel.zmqshell",
        "ipykernel.debugger",
        "tornado.platform.asyncio",
    ),
    *("IPython.core.interactiveshell", "IPython.core.oinspect", "IPython.core.completerlib", "IPython.core.debugger"),
    *("IPython.core.logger", "IPython.extensions.storemagic", "ipykernel.kernelspec", "faulthandler"),
    *("jupyter_client.manager", "jupyter_client.asynchronous", "papermill", "scrapbook", "nbformat"),
    *("runbook_lib.__main__", "runbook_lib.commands.run", "runbook_lib.runner.run", "runbook_lib.runner.phase"),
    *("runbook_lib.runner.changing", "runbook_lib.runner.undoing", "runbook_lib.record.assemble"),
    *("http.client", "ruamel.yaml.mergevalue", "rich._emoji_codes", "encodings.latin_1", "encodings.unicode_escape"),
)
AFRESH = (("ipykernel", "kernelapp"),)  # reads the environment when it is imported
KERNELS = 3  # notebooks of the longest run
SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",  # threads do not fork
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # it would warn of what nobody debugs
}
NOTHING = Path(os.devnull)
_SIZE = 1 << 16


class Interpreters:
    """Runs `runbook` in forks of one process that has everything imported."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **SETTINGS},
            )
        self._link = ours
        if self._link.recv(_SIZE) != b"ready":
            raise RuntimeError("the interpreters could not be made ready; what they said is above")

    def run(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], said: Path, seconds: float) -> int:
        """Run `runbook ARGV` until it ends; return its status, negative for a signal. ``said``: takes its output."""
        with said.open("ab") as output:
            order = {"argv": [*argv], "cwd": str(cwd), "env": {**env}}
            socket.send_fds(self._link, [json.dumps(order).encode()], [output.fileno()])
            pid = int(self._link.recv(_SIZE))
        self._link.settimeout(seconds)
        try:
            return int(self._link.recv(_SIZE))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self._link.settimeout(None)
            self._link.recv(_SIZE)
            raise TimeoutError(f"runbook {' '.join(argv)} did not end within {seconds:g} s") from None

    def close(self) -> None:
        """End the process; what it forked has ended."""
        self._link.close()
        self._process.wait(10)


def serve(link: socket.socket) -> None:
    """Fork a runner for every order, one after the other, and tell its id and how it ended."""
    for module in IMPORTED:
        importlib.import_module(module)
    _warm_up()
    for package, module in AFRESH:
        delattr(sys.modules[package], module)
        del sys.modules[f"{package}.{module}"]
    gc.collect()
    gc.freeze()  # else each fork would go through all of it, and so copy it
    if threading.active_count() != 1 or len([*Path("/proc/self/task").iterdir()]) != 1:
        raise RuntimeError("a process with threads cannot be forked")
    link.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(link, _SIZE, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            link.close()
            _become_runner(json.loads(message), descriptors[0])
        os.close(descriptors[0])
        link.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        link.send(str(os.waitstatus_to_exitcode(status)).encode())


def _warm_up() -> None:
    """Do what every run does once: compile schemas and the report's template."""
    for known in (nbformat.v4.new_notebook(), nbformat.v4.new_notebook(nbformat_minor=4)):
        nbformat.validate(known)
    statement._validator()
    report._environment().get_template("report.html.j2")


def _become_runner(order: dict[str, Any], output: int) -> NoReturn:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # with its parent, and so with the tests
    os.setsid()
    waiting = [_lie_in_wait() for _ in range(KERNELS)]
    launcher = importlib.import_module("jupyter_client.launcher")
    launcher.Popen = lambda command, **options: Kernel(waiting.pop(0), command, **options)
    with NOTHING.open("rb") as nothing:
        _settle((nothing.fileno(), output, output), order["env"], order["cwd"])
    sys.argv = ["runbook", *order["argv"]]
    _end(importlib.import_module("runbook_lib.__main__").main)


def _lie_in_wait() -> tuple[int, socket.socket]:
    """Fork a kernel that waits for its orders; return its id and the way to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        os.setsid()
        theirs.send(b"waits")
        _become_kernel(theirs)
    theirs.close()
    ours.recv(_SIZE)
    return pid, ours


def _become_kernel(theirs: socket.socket) -> NoReturn:
    """Wait for orders; a runner that ended without any needs no kernel."""
    message, descriptors, _, _ = socket.recv_fds(theirs, _SIZE, 3)
    theirs.close()
    if not message:
        os._exit(0)
    order = json.loads(message)
    _settle(descriptors, order["env"], order["cwd"])
    interpreter, dash_m, module, *arguments = order["argv"]
    if (interpreter, dash_m) != (sys.executable, "-m"):
        raise RuntimeError(f"no Python module: {order['argv']}")
    sys.argv = [module, *arguments]
    _end(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))


def _settle(files: Sequence[int], env: Mapping[str, str], cwd: str) -> None:
    """Take over standard files, environment and directory, and what Python makes of them when it starts."""
    for standard, given in enumerate(files):
        os.dup2(given, standard)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:0] = ["", *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    if str(FAULTS) in sys.path:
        importlib.import_module("sitecustomize")


def _end(program: Any) -> NoReturn:
    """Run a program to its end, and end as Python would."""
    try:
        program()
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:  # noqa: BLE001 - shown as Python shows it
        sys.excepthook(*sys.exc_info())
        status = 1
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


class Kernel:
    """A woken kernel, as `subprocess.Popen` has it."""

    stdout: None = None
    stderr: None = None

    def __init__(self, waiting: tuple[int, socket.socket], command: Sequence[str], **options: Any) -> None:
        self.pid, link = waiting
        self.args = command
        self.returncode: int | None = None
        order = {"argv": [*command], "env": {**options["env"]}, "cwd": options["cwd"] or str(Path.cwd())}
        with NOTHING.open("rb") as nothing, link:
            outputs = [1 if options[name] is None else options[name].fileno() for name in ("stdout", "stderr")]
            socket.send_fds(link, [json.dumps(order).encode()], [nothing.fileno(), *outputs])
        self.stdin = NOTHING.open("wb")  # jupyter_client closes it

    def poll(self) -> int | None:
        if self.returncode is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:  # noqa: ARG002 - jupyter_client gives none
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
