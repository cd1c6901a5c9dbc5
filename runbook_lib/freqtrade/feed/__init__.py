"""The candle feed, copied to hosts as the folder ``candle_feed`` beside their strategies.

A producer downloads each candle once, after it has settled, and answers for it exactly; consumers ask the producers
for what their bots want, and the exchange only where no producer can help. This package stands alone: it imports the
standard library, numpy, pandas and what freqtrade itself needs, and runs inside the host's own freqtrade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .consumer import CandleConsumer
    from .producer import CandleProducer

__all__ = ["CandleConsumer", "CandleProducer"]


def __getattr__(name: str) -> object:
    """Import only the half that a bot needs: whatever ails the other half is none of its business."""
    if name == "CandleConsumer":
        from .consumer import CandleConsumer  # noqa: PLC0415 - see above

        return CandleConsumer
    if name == "CandleProducer":
        from .producer import CandleProducer  # noqa: PLC0415 - see above

        return CandleProducer
    raise AttributeError(name)
