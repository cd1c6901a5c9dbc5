"""An operator's FreqAI strategy: features of every timeframe and of a correlated pair; it never trades.

Every feature looks back over a fixed number of candles, so that the same candles give the same bits however much
history stands before them.
"""

from freqtrade.strategy import IStrategy
from pandas import DataFrame


class SampleFreqai(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    can_short = False
    process_only_new_candles = True
    startup_candle_count = 40
    minimal_roi = {"0": 10.0}
    stoploss = -0.99

    def bot_start(self, **kwargs) -> None:
        self.operator_hook_ran = True

    def feature_engineering_expand_all(self, dataframe: DataFrame, period: int, metadata: dict, **kwargs) -> DataFrame:
        mean = dataframe["close"].rolling(period).mean()
        dataframe["%-distance-period"] = dataframe["close"] / mean - 1
        dataframe["%-spread-period"] = dataframe["close"].rolling(period).std() / mean
        return dataframe

    def feature_engineering_expand_basic(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        dataframe["%-change"] = dataframe["close"].pct_change()
        dataframe["%-volume"] = dataframe["volume"]
        return dataframe

    def feature_engineering_standard(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        dataframe["%-hour"] = dataframe["date"].dt.hour
        return dataframe

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict, **kwargs) -> DataFrame:
        ahead = self.freqai_info["feature_parameters"]["label_period_candles"]
        dataframe["&-change"] = dataframe["close"].shift(-ahead) / dataframe["close"] - 1
        return dataframe

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return self.freqai.start(dataframe, metadata, self)

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:
        return dataframe
