"""The operator's own strategy on the lab's feeders: it looks at every candle and never trades."""

from freqtrade.strategy import IStrategy
from pandas import DataFrame


class SampleFeeder(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    can_short = False
    process_only_new_candles = True
    startup_candle_count = 30
    minimal_roi = {"0": 10.0}
    stoploss = -0.99

    def bot_start(self, **kwargs) -> None:
        self.operator_hook_ran = True

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        dataframe["mean"] = dataframe["close"].rolling(30).mean()
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe
