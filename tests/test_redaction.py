from __future__ import annotations

import html
import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib import redaction
from runbook_lib.redaction import MASK, RedactingFilter, holds_registered, redact, register


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_registered", {})


PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nQyNT+/a=\n-----END OPENSSH PRIVATE KEY-----\n"
BINANCE = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('"ws_token": "hunter2"', f'"ws_token": "{MASK}"'),
        ("{'ws_token': 'hunter2', 'port': 8080}", f"{{'ws_token': '{MASK}', 'port': 8080}}"),
        ('"jwt_secret_key":"hunter2",', f'"jwt_secret_key":"{MASK}",'),
        ('"password": "hun\\"ter2", "a": 1', f'"password": "{MASK}", "a": 1'),
        ('{\\"ws_token\\": \\"hunter2\\", \\"port\\": 1}', f'{{\\"ws_token\\": \\"{MASK}\\", \\"port\\": 1}}'),
        ('"ws_token": ["hunter2", "hunter3"], "x": ["y"]', f'"ws_token": ["{MASK}", "{MASK}"], "x": ["y"]'),
        ("&quot;ws_token&quot;: &quot;hunter2&quot;, x", f"&quot;ws_token&quot;: &quot;{MASK}&quot;, x"),
        ('"ws_token": [\n  "hunter2"\n]', f'"ws_token": [\n  "{MASK}"\n]'),
        ('{\\"ws_token\\": [\\"hunter2\\", \\"hunter3\\"]}', f'{{\\"ws_token\\": [\\"{MASK}\\", \\"{MASK}\\"]}}'),
        ('{"password": "\\\\", "x": "y"}', f'{{"password": "{MASK}", "x": "y"}}'),
        ('"ws_token": ["a]b", ""], "x": ["y"]', f'"ws_token": ["{MASK}", ""], "x": ["y"]'),
        ('"password": 1234567,', f'"password": "{MASK}",'),
        ('-    "key": "abc",\n-    "secret": "def",', f'-    "key": "{MASK}",\n-    "secret": "{MASK}",'),
        (
            '"exchange": {\n    "name": "binance",\n    "key": "abc",',
            f'"exchange": {{\n    "name": "binance",\n    "key": "{MASK}",',
        ),
        (f'+   "key": "{BINANCE}"', f'+   "key": "{MASK}"'),
        ("exchange:\n  key: abc\n  secret: def\n", f"exchange:\n  key: {MASK}\n  secret: {MASK}\n"),
        ("[exchange]\nkey=abc\nsecret=def", f"[exchange]\nkey={MASK}\nsecret={MASK}"),
        ("password: hunter2", f"password: {MASK}"),
        ("+  rpc.password = hunter2  # of the bot", f"+  rpc.password = {MASK}  # of the bot"),
        ("export FT_PASSWORD=hunter2", f"export FT_PASSWORD={MASK}"),
        ("connect(password='hunter2')", f"connect(password='{MASK}')"),
        ("ws://192.168.3.73:8080/api/v1/message/ws?token=hunter2", f"ws://192.168.3.73:8080/api/v1/message/ws?token={MASK}"),
        ("GET /x?a=1&ws_token=hunter2&b=2", f"GET /x?a=1&ws_token={MASK}&b=2"),
        ("https://bob:hunter2@host/x", f"https://bob:{MASK}@host/x"),
        ('"https:\\/\\/bob:hunter2@host\\/x"', f'"https:\\/\\/bob:{MASK}@host\\/x"'),
        ("https://:hunter2@host/x", f"https://:{MASK}@host/x"),
        (
            '"url": "https://bob:hunter2@hooks.example.org/notify?room=7"',
            f'"url": "https://bob:{MASK}@hooks.example.org/notify?room=7"',
        ),
        (
            '"webhook_url": "https://discord.com/api/webhooks/123456789/aBc-DeF_gHiJkLmNoPqRsTuVwXyZ"',
            f'"webhook_url": "https://discord.com/api/webhooks/123456789/{MASK}"',
        ),
        (
            '"webhook_url": "https:\\/\\/discordapp.com\\/api\\/v10\\/webhooks\\/12345\\/aBcDeFgH?wait=true"',
            f'"webhook_url": "https:\\/\\/discordapp.com\\/api\\/v10\\/webhooks\\/12345\\/{MASK}?wait=true"',
        ),
        (
            '"url": "https://maker.ifttt.com/trigger/sold/with/key/aBcDeF1234567890/"',
            f'"url": "https://maker.ifttt.com/trigger/sold/with/key/{MASK}/"',
        ),
        ("/trigger/sold/json/with/key/aBc-DeF_1234567890", f"/trigger/sold/json/with/key/{MASK}"),
        (
            "GET https://api.telegram.org/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/sendMessage",
            f"GET https://api.telegram.org/bot123456:{MASK}/sendMessage",
        ),
        ('"login": "me", "pwd": "hunter22"', f'"login": "me", "pwd": "{MASK}"'),
        ('"smtp_pwd": 1234567,', f'"smtp_pwd": "{MASK}",'),
        ("{'Cookie': 'session=abc; theme=dark'}", f"{{'Cookie': '{MASK}'}}"),
        ('{\\"set-cookie\\": [\\"a=b\\"]}', f'{{\\"set-cookie\\": [\\"{MASK}\\"]}}'),
        ('"listen_key": "pqia91ma", "listenKey":"pqia91ma"', f'"listen_key": "{MASK}", "listenKey":"{MASK}"'),
        ("Authorization: Basic aHVudGVyMg==", f"Authorization: Basic {MASK}"),
        ("{'authorization': 'Bearer hunter2'}", f"{{'authorization': 'Bearer {MASK}'}}"),
        ("X-MBX-APIKEY: hunter2", f"X-MBX-APIKEY: {MASK}"),
        (f"a\n{PEM}b.", f"a\n-----BEGIN OPENSSH PRIVATE KEY-----{MASK}-----END OPENSSH PRIVATE KEY-----\nb."),
    ],
)  # fmt: skip
def test_secrets_that_stand_where_secrets_stand_are_masked(text: str, masked: str) -> None:
    assert redact(text) == masked
    assert redact(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "The password: never in clear text on a command line, and no token in a log.",
        'a key of the table, "key": "BTC/USDT", and a secret garden; api_server on port 8080',
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  config.json",
        '{"key": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}',
        "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLSN7Q2vq+mDa6hDsU (ED25519)",
        '--- a/config.json\n+++ b/config.json\n@@ -1,3 +1,4 @@\n-  "port": 8080,\n+  "port": 8081,\n   "stake": "USDT"',
        "password: {env: RUNBOOK_PASSWORD}\nkey_passphrase:\n  file: ~/.secret\n",
        '"password": "", "ws_token": null, "password": null',
        "password: null\nforce_entry_enable: true",
        "def login(password: str, token: bytes | None = None) -> None:",
        "PWD=/home/freqai\nOLDPWD=/root\npwd: /srv/bot",
        '"cookies": true, "cookie": null, "pwd": "", "cookie_jar": "a jar", "listen_keys_per_minute": 5',
        "Cookie: something to eat; pwd = '/home/freqai'",
        "https://discord.com/channels/123456789/987654321 and https://discord.com/api/webhooks/123456789",
        "https://ifttt.com/maker_webhooks, files with/key/pictures, and a lock /with/key/7",
        "/bot73:8080/api/v1/ping of http://robot12345:8080/abcdefghijklmnopqrstuvwxyz",
        "http://[::1]:8080/x and http://host:8080/user@example.org",
        "password_file: /etc/passwd\ntokens_per_minute: 1200",
        "http://127.0.3.73:18080/api/v3/klines?symbol=BTCUSDT&interval=5m",
        "2025-11-23 18:15:00 user@host: Authorization failed; bearer of bad news",
    ],
)  # fmt: skip
def test_harmless_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_registered_secrets_are_masked_in_every_escaping() -> None:
    secret = 'pa"ss\\wörd &1'
    register(secret)
    shown = [
        secret,
        html.escape(secret),
        json.dumps({"x": secret}),
        json.dumps(json.dumps({"x": secret})),
        repr(secret),
        "a=pa%22ss%5Cw%C3%B6rd%20%261",
    ]
    for text in shown:
        assert MASK in redact(text), text
        assert "rd &1" not in redact(text)
        assert "rd%20" not in redact(text)
    assert json.loads(redact(json.dumps({"x": secret}))) == {"x": MASK}


def test_the_longer_of_two_registered_secrets_goes_first() -> None:
    register("abcdefgh")
    register("abcdefghij")
    assert redact("<abcdefghij>") == f"<{MASK}>"


def test_a_short_secret_is_masked_only_as_a_word() -> None:
    register("cat")
    assert redact("the cat concatenates") == f"the {MASK} concatenates"
    assert not holds_registered("the cat")


def test_lines_of_a_registered_secret_are_masked_one_by_one() -> None:
    register("first-long-line\nsecond-long-line\n")
    assert redact("... second-long-line ...") == f"... {MASK} ..."


def test_nothing_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="empty"):
        register("  ")


def test_a_registered_secret_is_found_on_a_command_line() -> None:
    register("correct-horse")
    assert holds_registered("echo correct-horse | x")
    assert not holds_registered("echo battery-staple")


NAMES = st.sampled_from(["password", "ws_token", "key", "secret", "name", "exchange"])
VALUES = st.recursive(
    st.text(alphabet="\"\\'a]},: \n-1&", max_size=6) | st.text() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, VALUES), st.sampled_from([None, 2]), st.integers(0, 1))
def test_masked_json_stays_json_and_masking_twice_changes_nothing(
    document: dict[str, object], indent: int | None, depth: int
) -> None:
    text = json.dumps(document, indent=indent)
    for _ in range(depth):
        text = json.dumps({"text": text})
    once = redact(text)
    inside = json.loads(once)
    assert set(json.loads(inside["text"]) if depth else inside) == set(document)
    assert redact(once) == once


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789 .,+-\n", max_size=300))
def test_prose_without_the_words_is_left_alone(text: str) -> None:
    if not any(word in text for word in ("token", "secret", "passw", "passphrase", "key", "bearer")):
        assert redact(text) == text


def test_a_megabyte_of_a_picture_is_no_burden() -> None:
    text = "iVBORw0KGgo" + "A8s3" * 262_144
    before = time.perf_counter()
    assert redact(text) == text
    assert time.perf_counter() - before < 3


def test_log_records_are_masked_with_arguments_and_traceback(caplog: pytest.LogCaptureFixture) -> None:
    register("correct-horse")
    logger = logging.getLogger("test.redaction")
    with caplog.filtering(RedactingFilter()):
        try:
            int("correct-horse")
        except ValueError:
            logger.exception("cannot use %s", "correct-horse")
    assert "correct-horse" not in caplog.text
    assert caplog.text.count(MASK) == 3
    assert "Traceback" in caplog.text
