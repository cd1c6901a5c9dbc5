"""Say what time it is on this host."""

import time
from typing import Any


def main(_arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - there are none
    """Return unix seconds."""
    return {"unix": time.time()}
