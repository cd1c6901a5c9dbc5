from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from written import Written, written

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets
from runbook_lib.freqtrade.configs.consumer import ConsumerEdit, consumer_config
from runbook_lib.freqtrade.configs.parse import read_config
from runbook_lib.freqtrade.configs.schema import unknown_keys
from runbook_lib.freqtrade.feed.settings import producers_of
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.secrets import Secret

SITE = FreqtradeSite.model_validate(
    {
        "site": "lab",
        "hosts": {name: {"address": f"127.0.3.{name}"} for name in ("73", "108", "75")},
        "ssh": {"user": "freqai"},
        "producers": {"73": {"pairs": ["BTC/USDT"]}, "108": {"pairs": ["XRP/USDT"]}},
        "consumers": {"75": {"config": "user_data/feeder.json"}},
    }
)
PRODUCERS = {
    "73": ProducerAccess("127.0.3.73", 8080, Secret("token-of-73-" + "a" * 32)),
    "108": ProducerAccess("127.0.3.108", 8081, Secret("token-of-108-" + "b" * 32)),
}
ORIGINAL = """\
{
  // my feeder, do not touch
  "strategy": "Mine",  // since 2023
  "max_open_trades": 3,   "stake_currency": "USDT",
  "exchange": {
    "name": "binance", /* the one */
    "enable_ws": true,
    "pair_whitelist": ["BTC/USDT",
                       "ETH/USDT",],
  },
  "freqai": {"enabled": true} // the end
}
"""


def edit(text: str) -> ConsumerEdit:
    return consumer_config(text, site=SITE, host="75", producers=PRODUCERS)


def test_the_bot_is_fed_by_every_producer() -> None:
    after = read_config(edit(ORIGINAL).text).data
    consumer = after["external_message_consumer"]
    assert consumer["enabled"] is False  # freqtrade's own consumer: the feed asks them itself
    assert consumer["producers"] == [
        {
            "name": f"producer-{host}",
            "host": it.address,
            "port": it.port,
            "secure": False,
            "ws_token": it.ws_token.reveal(),
        }
        for host, it in PRODUCERS.items()
    ]
    assert after["exchange"]["enable_ws"] is False
    assert after["candle_feed"] == SITE.feed.model_dump()
    assert [(found.name, found.port) for found in producers_of(after)] == [
        ("producer-73", 8080),
        ("producer-108", 8081),
    ]
    assert after["strategy"] == "MineFed"
    assert after["log_config"]["loggers"]["ccxt.base.exchange"]["level"] == "DEBUG"


def test_says_which_strategy_was_the_operator_s_and_which_one_is_named_now() -> None:
    edited = edit(ORIGINAL)
    assert (edited.strategy, edited.fed_strategy) == ("Mine", "MineFed")
    assert (edit(edited.text).strategy, edit(edited.text).fed_strategy) == ("Mine", "MineFed")


def test_three_lines_change_and_the_rest_is_added_at_the_end() -> None:
    before, after = ORIGINAL.splitlines(), edit(ORIGINAL).text.splitlines()
    changed = {
        number: (old, new) for number, (old, new) in enumerate(zip(before[:-1], after, strict=False)) if old != new
    }
    assert changed == {
        2: ('  "strategy": "Mine",  // since 2023', '  "strategy": "MineFed",  // since 2023'),
        6: ('    "enable_ws": true,', '    "enable_ws": false,'),
        10: ('  "freqai": {"enabled": true} // the end', '  "freqai": {"enabled": true}, // the end'),
    }


def test_a_strategy_that_is_called_fed_by_its_author_keeps_its_name() -> None:
    edited = edit(ORIGINAL.replace("Mine", "WellFed"))
    assert (edited.strategy, edited.fed_strategy) == ("WellFed", "WellFedFed")
    assert edit(edited.text).strategy == "WellFed"


def test_the_operator_s_own_logging_and_history_source_stay() -> None:
    text = ORIGINAL.replace('"max_open_trades": 3,', '"log_config": {"version": 1}, "max_open_trades": 3,')
    after = read_config(edit(text).text).data
    assert after["log_config"] == {"version": 1}
    assert "only_from_ccxt" not in after["exchange"]


def with_section(section: str) -> str:
    return ORIGINAL.replace('"max_open_trades"', f'"external_message_consumer": {section}, "max_open_trades"')


def test_comments_that_stood_in_a_replaced_section_are_told() -> None:
    assert edit(ORIGINAL).notes == ()
    (told,) = edit(with_section('{/* mine */ "producers": []}')).notes
    assert told.endswith(": /* mine */; the original is kept on the host")


def test_that_the_bot_no_longer_listens_to_others_is_told_once() -> None:
    others = '{"enabled": true, "producers": [{"name": "signals", "host": "h", "ws_token": "t"}]}'
    edited = edit(with_section(others))
    assert edited.notes == (
        "it no longer listens to signals by freqtrade's own consumer; the original is kept on the host",
    )
    assert edit(edited.text).notes == ()
    assert edit(with_section(others.replace("true", "false"))).notes == ()


def test_a_bot_that_trades_what_producers_trade_is_refused() -> None:
    pairs = '{"pairlists": [{"method": "ProducerPairList", "producer_name": "p"}], "strategy": "Mine"}'
    with pytest.raises(ParamsError, match="takes its pairs from producers"):
        edit(pairs)
    assert edit(pairs.replace("ProducerPairList", "StaticPairList"))


def test_pair_lists_that_ask_for_candles_before_the_feed_does_are_told() -> None:
    lists = '{"pairlists": [{"method": "StaticPairList"}, {"method": "AgeFilter"}, {"method": "VolatilityFilter"}], '
    (told,) = edit(lists + '"strategy": "Mine"}').notes
    assert told.startswith("AgeFilter, VolatilityFilter asks the exchange for candles as the bot starts")


def test_an_older_section_is_replaced_where_it_stands() -> None:
    older = edit(ORIGINAL).text
    other = consumer_config(older, site=SITE, host="75", producers={"73": PRODUCERS["73"]})
    producers = read_config(other.text).data["external_message_consumer"]["producers"]
    assert [producer["name"] for producer in producers] == ["producer-73"]
    assert edit(other.text).text == older


@settings(deadline=None, max_examples=50)  # the machine may be busy
@given(written())
def test_any_layout_survives_and_a_second_edit_changes_nothing(config: Written) -> None:
    text = '{"strategy": "Mine" /* s */, "operator": ' + config.text + ', "last": 0\n}'
    edited = edit(text)
    assert edit(edited.text) == edited
    assert config.text in edited.text
    assert not edited.notes


def test_no_key_that_freqtrade_ignores(known_keys: Any) -> None:
    assert unknown_keys(read_config(edit(ORIGINAL).text).data, known_keys) == []


def test_the_repr_of_an_edit_holds_no_token() -> None:
    assert PRODUCERS["73"].ws_token.reveal() not in repr(edit(ORIGINAL))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "user_data/feeder.json names no strategy"),
        ('{"add_config_files": ["more.json"]}', "it also reads other files"),
        ('{"strategy": "Mine", "exchange": "binance"}', "exchange is not an object"),
        ("{'strategy': 'Mine'}", "user_data/feeder.json:1: single quotes"),
    ],
)
def test_refuses_what_cannot_be_edited_safely(text: str, says: str) -> None:
    with pytest.raises(ParamsError, match=says):
        edit(text)


def test_a_splice_that_says_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook_lib.freqtrade.configs.consumer.put", lambda text, _path, _value: text)
    with pytest.raises(ParamsError, match="does not say what it should"):
        edit(ORIGINAL)


def test_secrets_of_the_producers_are_the_tokens_consumers_show(secrets: ProducerSecrets) -> None:
    edited = consumer_config(
        json.dumps({"strategy": "Mine"}),
        site=SITE,
        host="75",
        producers={"73": ProducerAccess("a", 1, secrets.ws_token)},
    )
    assert secrets.ws_token.reveal() in edited.text
