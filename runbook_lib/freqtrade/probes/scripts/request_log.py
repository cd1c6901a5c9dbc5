"""Count the calls in a bot's request log, older files included.

Arguments: path, since, until (unix seconds of this host; since <= time of the answer < until).
A line is: unix time, method, status (of a request that is only being made: other three characters), URL.
"""

import os
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

LINE = re.compile(r"(\d+\.\d+) ([A-Z]+) (.{0,3}) (https?://\S+)$")
ENDPOINT = re.compile(r"/(\w+)/v\d+/(.+)")


def files(path: str, stack: ExitStack) -> list[Any]:
    """Open the log and its older files, newest first: a rotation in between neither hides nor repeats one."""
    opened: dict[int, Any] = {}
    for one in (path, path + ".1", path + ".2"):
        try:
            file = Path(one).open(encoding="utf-8", errors="replace")  # noqa: SIM115 - the stack closes it
        except FileNotFoundError:
            continue
        opened.setdefault(os.fstat(file.fileno()).st_ino, stack.enter_context(file))
    return list(opened.values())


def name(path: str) -> str:
    """Return what an endpoint is called: /api/v3/klines is klines, /fapi/v1/klines is fapi/klines."""
    found = ENDPOINT.fullmatch(path)
    if found is None:
        return path
    return found[2] if found[1] == "api" else found[1] + "/" + found[2]


def count(logs: list[Any], since: float, until: float) -> dict[str, Any]:
    """Add up answers by minute, endpoint, candle length and status, and requests by endpoint."""
    answers: Counter[tuple[int, str, str, int]] = Counter()
    asked: Counter[str] = Counter()
    oldest, unreadable = None, 0
    for log in logs:
        for text in log:
            line = LINE.match(text.rstrip("\n"))
            if line is None:
                unreadable += 1
                continue
            when = float(line[1])
            oldest = when if oldest is None else min(oldest, when)
            if not since <= when < until:
                continue
            address = urlsplit(line[4])
            endpoint = name(address.path)
            if not line[3].isdigit():
                asked[endpoint] += 1
                continue
            interval = parse_qs(address.query).get("interval", [""])[0]
            answers[int(when // 60 * 60), endpoint, interval, int(line[3])] += 1
    return {
        "found": bool(logs),
        "oldest": oldest,
        "unreadable": unreadable,
        "asked": asked,
        "answers": [[*key, times] for key, times in sorted(answers.items())],
    }


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Count as asked."""
    with ExitStack() as stack:
        logs = files(str(Path(arguments["path"]).expanduser()), stack)
        return count(logs, arguments["since"], arguments["until"])
