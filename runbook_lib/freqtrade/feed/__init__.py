"""The candle feed, copied to hosts as the folder ``candle_feed`` beside their strategies.

A producer downloads each candle once, after it has settled, and sends it exactly; consumers answer their bots' candle
requests with it and ask the exchange only where no producer can help. This package stands alone: it imports the
standard library, numpy and pandas, and runs inside the host's own freqtrade.
"""

from .consumer import CandleConsumer
from .producer import CandleProducer

__all__ = ["CandleConsumer", "CandleProducer"]
