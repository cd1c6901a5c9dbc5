"""Ask the exchange how much request weight this host's public address has used in the last minute.

Arguments: url (the exchange's ping), every (seconds between two questions), seconds (0: ask once).
One ping has weight 1. It stops at the first refusal: going on would only lengthen a ban.
"""

import time
import urllib.error
import urllib.request
from typing import Any

REFUSALS = (403, 418, 429)
# no proxy out of the environment: the bots use none either, and it would be another address
ASK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ping(url: str) -> dict[str, Any]:
    """One question: when, what status, what weight."""
    seen = {"unix": time.time(), "status": 0, "weight": None, "retry_after": None, "error": ""}
    try:
        with ASK.open(url, timeout=10) as answer:
            status, headers = answer.status, answer.headers
    except urllib.error.HTTPError as error:
        status, headers = error.code, error.headers
    except OSError as error:
        seen["error"] = str(getattr(error, "reason", error))
        return seen
    seen.update(unix=time.time(), status=status, weight=headers.get("x-mbx-used-weight-1m"))
    seen["retry_after"] = headers.get("Retry-After")
    return seen


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Ask once, or again and again."""
    url, every = arguments["url"], arguments["every"]
    end = time.monotonic() + arguments["seconds"]
    samples = [ping(url)]
    while time.monotonic() + every < end and samples[-1]["status"] not in REFUSALS:
        time.sleep(every)
        samples.append(ping(url))
    return {"samples": samples}
