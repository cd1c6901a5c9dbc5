from __future__ import annotations

import json

import pytest

from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets, read_secrets
from runbook_lib.freqtrade.configs.producer import producer_config
from runbook_lib.freqtrade.params import FreqtradeSite


def test_the_second_plan_keeps_the_secrets_of_the_first(site: FreqtradeSite, others: dict[str, ProducerAccess]) -> None:
    first = ProducerSecrets.generate()
    text = producer_config(site, "73", first, others)
    again = read_secrets(text)
    assert again == first
    assert again is not None
    assert producer_config(site, "73", again, others) == text


def test_generated_secrets_are_new_each_time_and_long_enough() -> None:
    one, other = ProducerSecrets.generate(), ProducerSecrets.generate()
    drawn = {secret.reveal() for of in (one, other) for secret in (of.password, of.jwt_secret_key, of.ws_token)}
    assert len(drawn) == 6
    assert all(len(secret) >= 32 for secret in drawn)


def test_no_secret_shows_in_a_repr(secrets: ProducerSecrets) -> None:
    shown = repr(secrets) + repr(ProducerAccess("127.0.3.73", 8080, secrets.ws_token))
    for secret in (secrets.password, secrets.jwt_secret_key, secrets.ws_token):
        assert secret.reveal() not in shown
    assert "runbook" in shown


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("username", ""),
        ("password", None),
        ("password", "producer_73_change_me"),
        ("jwt_secret_key", "too-short-for-freqtrade"),
        ("ws_token", ""),
        ("ws_token", ["a list", "of tokens"]),
    ],
)
def test_new_secrets_are_due_where_one_is_missing_or_unfit(
    site: FreqtradeSite, secrets: ProducerSecrets, key: str, value: object
) -> None:
    config = json.loads(producer_config(site, "73", secrets, {}))
    config["api_server"][key] = value
    assert read_secrets(json.dumps(config)) is None


@pytest.mark.parametrize("text", ["", "{", "{}", '{"api_server": []}', '{"api_server": {"username": "x"}}'])
def test_what_is_no_producer_config_holds_no_secrets(text: str) -> None:
    assert read_secrets(text) is None
