"""Masks secrets in everything that is written: cells, outputs, logs, the journal, tracebacks.

Two ways to know a secret: it was registered when it was resolved, or it stands where secrets stand
(`"ws_token": "..."`, `?token=...`, an Authorization header, a private key). What is masked in JSON stays valid JSON.
"""

from __future__ import annotations

import html
import json
import logging
import re
import threading
import urllib.parse
from collections.abc import Callable
from typing import Final

MASK: Final = "•••"
_STANDS_ALONE: Final = (
    8  # characters; a shorter secret is masked only as a whole word, or it would eat half of the text
)

_lock = threading.Lock()
_registered: dict[str, re.Pattern[str]] = {}


def register(secret: str) -> None:
    """Mask ``secret`` from now on, in this process, also where it is escaped for JSON, Python or a URL."""
    if not secret.strip():
        raise ValueError("an empty secret cannot be masked")
    lines = [line.strip() for line in secret.splitlines() if len(line.strip()) >= _STANDS_ALONE]
    with _lock:
        for known in (secret, *lines):
            _registered[known] = _pattern(known)


def holds_registered(text: str) -> bool:
    """Whether a registered secret stands in ``text``, as it must not on a command line.

    Those too short to be told from ordinary words do not count.
    """
    with _lock:
        patterns = [pattern for secret, pattern in _registered.items() if len(secret) >= _STANDS_ALONE]
    return any(pattern.search(text) for pattern in patterns)


def redact(text: str) -> str:
    """Return ``text`` with every known or recognisable secret replaced by the mask."""
    with _lock:
        longest_first = sorted(_registered, key=len, reverse=True)
        patterns = [_registered[secret] for secret in longest_first]
    for pattern in patterns:
        text = pattern.sub(MASK, text)
    for shape, replace in _SHAPES:
        text = shape.sub(replace, text)
    return text


class RedactingFilter(logging.Filter):
    """For a logging handler: masks the message, its arguments and the traceback of every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record in place; never drops one."""
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None  # a handler further on would format it anew, unmasked
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def _pattern(secret: str) -> re.Pattern[str]:
    escaped = json.dumps(secret)[1:-1]
    forms = {
        secret,
        escaped,
        json.dumps(escaped)[1:-1],  # JSON within JSON: a notebook that shows a config
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        html.escape(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
    }
    either = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(either if len(secret) >= _STANDS_ALONE else rf"(?<!\w)(?:{either})(?!\w)")


# A name that ends in one of these holds a secret, whatever stands before it: producer_ws_token, rpc.password.
# It begins with a set of letters, for which the engine can look ahead: megabytes of pictures pass in no time.
_NAME: Final = (
    r"[aApPsStT](?i:(?<=a)pi_?key|(?<=p)(?:assw(?:or)?d|assphrase|rivate_?key)|(?<=s)ecret(?:_?key)?|(?<=t)oken)"
)
# Names like these hold one in JSON; elsewhere PWD is a shell's directory, and a cookie something to eat.
_NAME_IN_JSON: Final = r"[cClLpP](?i:(?<=c)ookie|(?<=l)isten_?key|(?<=p)wd)"
_MARK: Final = r"(?:\\*[\"']|&(?:quot|#34|#39|#x27);)"  # with the backslashes of JSON within JSON, or as HTML
_ASSIGNS: Final = rf"(?P<lead>{_MARK}?[ \t]*[:=]\s*)"


def _quoted(group: str) -> str:
    """Return the pattern of a string that ends where JSON says: plain, within JSON, or deeper and in HTML (a guess)."""
    return (
        rf"(?:(?P<{group}0>[\"'])(?:(?!(?P={group}0))[^\\\n]|\\.)*(?P={group}0)"
        rf"|(?P<{group}1>\\[\"'])(?:[^\\\n\"]|\\\\(?:\\.|[^\\]))*?(?P={group}1)"
        rf"|(?P<{group}2>\\\\+[\"']|&(?:quot|#34|#39|#x27);)(?:(?!(?P={group}2))[^\n])*(?P={group}2))"
    )


_STRING: Final = re.compile(_quoted("q"))
_LIST: Final = rf"\[\s*{_quoted('a')}(?:\s*,\s*{_quoted('b')})*\s*\]"
_PLAIN_WORD: Final = r"(?!(?:null|none|true|false|str|bytes|int|\.\.\.)\b|~|•)"
_KEY: Final = rf"(?P<name>(?<![\w.-])key){_ASSIGNS}(?P<value>{_quoted('v')})"


def _mask_string(found: re.Match[str]) -> str:
    quote = found["q0"] or found["q1"] or found["q2"]
    return found[0] if len(found[0]) == 2 * len(quote) else f"{quote}{MASK}{quote}"


def _mask_value(found: re.Match[str]) -> str:
    """Mask a string, each string of a list (freqtrade takes several tokens), or a number of JSON, which stays JSON."""
    value = found["value"]
    if value[0].isdigit() or value[0] == "-":
        before, quote, _ = found["lead"].partition('"')  # as its name is quoted, so is the mask
        masked = f"{before}{quote}{MASK}{before}{quote}" if quote else value
    else:
        masked = _STRING.sub(_mask_string, value)
    return f"{found['name']}{found['lead']}{masked}"


_Replacement = str | Callable[[re.Match[str]], str]
_SHAPES: Final[tuple[tuple[re.Pattern[str], _Replacement], ...]] = (
    (  # a private key, whole or cut off
        re.compile(
            r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(?:[A-Za-z0-9+/=\s,:•]|\\[nr]|-(?!----))*"
            r"(-----END [A-Z0-9 ]*PRIVATE KEY-----)?"
        ),
        rf"\1{MASK}\2",
    ),
    (
        re.compile(
            rf"(?P<name>{_NAME}){_ASSIGNS}(?P<value>{_quoted('v')}|{_LIST}|-?\d[\d.eE+-]*)",
        ),
        _mask_value,
    ),
    (
        re.compile(
            rf"(?P<name>{_NAME_IN_JSON})(?P<lead>{_MARK}[ \t]*:\s*)(?P<value>{_quoted('v')}|{_LIST}|-?\d[\d.eE+-]*)",
        ),
        _mask_value,
    ),
    (  # one bare word to the end of a line, in YAML, ini, .env or a diff of those
        re.compile(
            rf"(?im)^([-+ \t>]*(?:export[ \t]+)?[\w.-]{{0,40}}?{_NAME}[ \t]*[:=][ \t]*){_PLAIN_WORD}"
            r"[^\s\"'{}\[\](),;<>&*|$\\][^\s\"'{}\[\](),;<>|\\]*(?=[ \t]*(?:#.*)?$)"
        ),
        rf"\1{MASK}",
    ),
    # "key" alone is a word like any other: a secret beside its "secret", at the head of an exchange, or by its looks
    (re.compile(rf"(?i){_KEY}(?=[,\s+-]*\\*[\"']?secret\\*[\"']?[ \t]*[:=])"), _mask_value),
    (
        re.compile(
            r"(?im)(?P<name>(?:\"exchange\"\s*:\s*\{|^[-+ \t]*exchange:[ \t]*\n|^\[exchange\][ \t]*\n)"
            rf"[^{{}}\[\]]{{0,400}}?(?<![\w.-])key){_ASSIGNS}(?P<value>{_quoted('v')})"
        ),
        _mask_value,
    ),
    (
        re.compile(
            rf"(?P<name>(?<![\w.-])key){_ASSIGNS}(?P<value>(?P<quote>{_MARK})"
            r"(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{40,}(?P=quote))"
        ),
        _mask_value,
    ),
    (  # bare key of an ini or YAML section, right before its bare secret
        re.compile(r"(?im)^([-+ \t]*key[ \t]*[:=][ \t]*)[^\s\"'•]+([ \t]*\n[-+ \t]*secret[ \t]*[:=])"),
        rf"\1{MASK}\2",
    ),
    (re.compile(r"(?i)([?&](?:\w{0,20}token|api_?key|signature|secret|password)=)[^&\s\"'#<>\\•]+"), rf"\1{MASK}"),
    # where messages are sent to: who knows such an address may send some
    (re.compile(r"(\bdiscord(?:app)?\.com\\*/api\\*/(?:v\d+\\*/)?webhooks\\*/\d+\\*/)[\w-]+"), rf"\1{MASK}"),
    (re.compile(r"(/with\\*/key\\*/)[\w-]{8,}"), rf"\1{MASK}"),  # IFTTT
    (re.compile(r"(/bot\d{5,}:)[\w-]{20,}"), rf"\1{MASK}"),  # Telegram
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{1,20}:(?:\\*/){2}[^\s/:@\"'<>\\]{0,80}:)[^\s/@\"'<>•]+(?=@)"), rf"\1{MASK}"),
    (
        re.compile(r"(?i)(authorization\\*[\"']?\s*[:=]\s*\\*[\"']?(?:bearer|basic|token|digest)[ \t]+)[^\"'\r\n\\•]+"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)(\bbearer[ \t]+)[\w.~+/-]{20,}=*"), rf"\1{MASK}"),
    (re.compile(r"(?i)(x-mbx-apikey\\*[\"']?\s*[:=]\s*\\*[\"']?)[^\s\"'\\•]+"), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"), MASK),  # a JSON web token, wherever it stands
)
