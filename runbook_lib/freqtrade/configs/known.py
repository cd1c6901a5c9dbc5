"""Keys that freqtrade reads although its schema does not list them, and keys that people write in vain.

Taken from the source of freqtrade 2026.9; beside each group stands the module that reads it. A key that is read must
not be called unknown, and a key that looks right but is not read must not pass: the schema of freqtrade allows both.
``*`` stands for any key at that level and all below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

READ_THOUGH_UNLISTED: Final[frozenset[str]] = frozenset(
    {
        # for editors; freqtrade's own template writes it: templates/base_config.json.j2
        "$schema",
        # read by the feed that this runbook deploys
        "candle_feed.settle_seconds", "candle_feed.wait_seconds", "candle_feed.hedge_seconds",
        "candle_feed.takeover_seconds", "candle_feed.clock_seconds", "candle_feed.weight_per_minute",
        "candle_feed.start_seconds",
        # configuration/configuration.py _process_logging_options, loggers/__init__.py
        "verbosity", "logfile", "print_colorized",
        # loggers/__init__.py hands the whole section to logging.config.dictConfig
        "log_config.loggers", "log_config.filters", "log_config.disable_existing_loggers", "log_config.incremental",
        # resolvers/strategy_resolver.py: settings that override the strategy's attributes
        "use_custom_stoploss", "startup_candle_count",
        # configuration/configuration.py: command line options that a config may hold as well
        "db_url_from", "position_stacking", "enable_protections", "enable_dynamic_pairlist", "timeframe_detail",
        "backtest_show_pair_list", "backtest_notes", "timerange", "strategy_list", "exportfilename", "exportdirectory",
        "freqai_backtest_live_models", "hyperoptexportfilename", "print_json", "export_csv", "hyperopt_show_index",
        "hyperopt_list_best", "hyperopt_list_profitable", "hyperopt_list_min_trades", "hyperopt_list_max_trades",
        "hyperopt_list_min_avg_time", "hyperopt_list_max_avg_time", "hyperopt_list_min_avg_profit",
        "hyperopt_list_max_avg_profit", "hyperopt_list_min_total_profit", "hyperopt_list_max_total_profit",
        "hyperopt_list_min_objective", "hyperopt_list_max_objective", "hyperopt_list_no_details",
        "hyperopt_show_no_header", "hyperopt_ignore_missing_space", "pairs", "indicators1", "indicators2", "plot_limit",
        "plot_auto_open", "trade_source", "trade_ids", "prepend_data", "erase", "no_trades", "timeframes", "days",
        "include_inactive", "no_parallel_download", "convert_trades", "show_timerange", "candle_types",
        "analysis_groups", "enter_reason_list", "exit_reason_list", "indicator_list", "entry_only", "exit_only",
        "analysis_rejected", "analysis_to_csv", "analysis_csv_path",
        # optimize/analysis/lookahead.py, optimize/backtesting.py
        "lookahead_allow_limit_orders", "futures_funding_rate",
        # exchange/exchange.py _init_ccxt (older spellings), build_ft_has, validate_demo_trading
        "exchange.apiKey", "exchange.accountId", "exchange.walletAddress", "exchange.privateKey",
        "exchange._ft_has_params", "exchange.demo_trading", "exchange.use_public_trades",
        # freqtradebot.py startup_update_open_orders; exchange/binance.py; exchange/hyperliquid.py
        "exchange.skip_open_order_update", "exchange.only_from_ccxt", "exchange.hip3_dexes",
        # worker.py
        "internals.heartbeat_interval",
        # rpc/api_server/webserver.py
        "api_server.enable_openapi",
        # rpc/telegram.py
        "telegram.keyboard", "telegram.notification_settings.show_candle",
        # rpc/webhook.py and rpc/discord.py look messages up by their type, and older names of types
        "webhook.*", "discord.*",
        # plugins/pairlist/*: every pairlist has settings of its own
        "pairlists.*",
        # freqai/data_kitchen.py, freqai/freqai_interface.py, freqai/data_drawer.py and the prediction models
        "freqai.extra_returns_per_train", "freqai.model_save_type", "freqai.multitarget_parallel_training",
        "freqai.feature_parameters.reverse_train_test_order", "freqai.feature_parameters.noise_standard_deviation",
        "freqai.feature_parameters.use_DBSCAN_to_remove_outliers", "freqai.feature_parameters.svm_params.*",
        # handed on to scikit-learn's train_test_split and to the operator's own reward function
        "freqai.data_split_parameters.*", "freqai.rl_config.model_reward_parameters.*",
        # configuration/deprecated_settings.py and config_validation.py still read these, with a warning of their own
        "ask_strategy.*", "bid_strategy.*", "edge.*", "forcebuy_enable", "use_sell_signal", "sell_profit_only",
        "sell_profit_offset", "ignore_roi_if_buy_signal", "experimental.use_sell_signal",
        "experimental.sell_profit_only", "experimental.ignore_roi_if_buy_signal", "ticker_interval", "protections",
        "order_time_in_force.buy", "order_time_in_force.sell", "order_types.buy", "order_types.sell",
        "order_types.emergencysell", "order_types.forcebuy", "order_types.forcesell", "order_types.emergencyexit",
        "order_types.forceexit", "order_types.forceentry", "unfilledtimeout.buy", "unfilledtimeout.sell",
        "telegram.notification_settings.buy", "telegram.notification_settings.buy_cancel",
        "telegram.notification_settings.buy_fill", "telegram.notification_settings.sell",
        "telegram.notification_settings.sell_cancel", "telegram.notification_settings.sell_fill",
    }
)  # fmt: skip

WRITTEN_IN_VAIN: Final[Mapping[str, str]] = {
    "exchange.use_ws": "the key is exchange.enable_ws",
    "exchange.websocket": "the key is exchange.enable_ws",
    "exchange.process_only_new_candles": "its place is the top level of the config",
    "internals.process_only_new_candles": "its place is the top level of the config",
    "external_message_consumer.initial_candle_sync": "freqtrade has no such key; nothing takes its place",
    "external_message_consumer.initial_candles": "freqtrade has no such key; nothing takes its place",
    "external_message_consumer.pair_whitelist": "freqtrade has no such key; pairs stand in exchange.pair_whitelist",
    "api_server.jwt_secret": "the key is api_server.jwt_secret_key",
    "api_server.token": "the key is api_server.ws_token",
    "api_server.port": "the key is api_server.listen_port",
    "exchange.pairs": "the key is exchange.pair_whitelist",
    "pair_whitelist": "its place is exchange.pair_whitelist",
    "pair_blacklist": "its place is exchange.pair_blacklist",
    "enable_ws": "its place is exchange.enable_ws",
}
