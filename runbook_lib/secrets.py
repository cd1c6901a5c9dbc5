"""Secrets by reference: from the environment, the operator's keyring, or a file that only the operator can read.

Whatever is resolved or generated here is registered for redaction before anybody else sees it.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets as standard
import stat
from pathlib import Path
from typing import Final, NoReturn

from runbook_lib.errors import SecretError
from runbook_lib.params.model import SecretRef
from runbook_lib.redaction import MASK, register


class Secret:
    """A secret that masks itself wherever it is shown, and refuses to be written away; `reveal` where it is used."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        register(text)
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is never pickled: hand on its reference")


_EXAMPLES: Final = {
    "somethingrandom", "supersecurepassword", "supersecret1!", "supersecretpassword", "sercet_ws_t0ken",
    "hard_to_guess",
    "password", "passwort", "secret", "token", "key", "placeholder", "example", "dummy", "test", "todo", "tbd", "none",
    "null", "undefined", "default", "redacted", "12345", "123456", "12345678", "123456789", "1234567890", "qwerty",
}  # fmt: skip
_PLACEHOLDER: Final = re.compile(
    r"""
      .*change[-_ .]?(?:me|this|it)(?![a-z]).*            # producer_73_change_me
    | .*replace[-_ .]?(?:me|this|it|with)(?![a-z]).*
    | (?:your|my|insert|enter|put|paste|some)[-_ ].*      # your_exchange_secret, insert-token-here
    | .*[-_ ](?:goes[-_ ])?here
    | <.*> | \{\{.*\}\} | \$\{.*\} | \$\(.*\) | %.*%      # a template that nobody filled in
    | (.)\1*                                              # xxxx, ...., 0000
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def is_placeholder(text: str) -> bool:
    """Whether ``text`` only keeps a secret's place: empty, change_me, your_..., xxx, <...>, an example."""
    bare = text.strip()
    return not bare or bare.casefold() in _EXAMPLES or _PLACEHOLDER.fullmatch(bare) is not None


def resolve(ref: SecretRef, *, purpose: str) -> Secret:
    """Fetch the secret that ``ref`` names. ``purpose`` says in errors what it is for ("login password").

    Raises SecretError where it is missing, empty, a placeholder, or in a file that others may read.
    """
    if ref.env is not None:
        where, text = f"environment variable {ref.env}", _from_environment(ref.env, purpose)
    elif ref.keyring is not None:
        where, text = f"keyring entry {ref.keyring}", _from_keyring(ref.keyring, purpose)
    elif ref.file is not None:
        where, text = f"file {ref.file}", _from_file(ref.file, purpose)
    else:  # pragma: no cover - SecretRef admits exactly one
        raise SecretError(f"{purpose}: no place is named", remedy="name env, keyring or file")
    if not text.strip():
        raise SecretError(f"{purpose}: {where} is empty", remedy="put the secret there")
    if is_placeholder(text):
        raise SecretError(f"{purpose}: {where} holds a placeholder", remedy="put the real secret there")
    return Secret(text)


def generate(bytes: int = 32) -> Secret:  # noqa: A002 - counts random bytes, as its namesake in the standard library
    """Make a new random secret that is safe in URLs, JSON and shells."""
    return Secret(standard.token_urlsafe(bytes))


def refuse_unless_private(path: Path, purpose: str, found: os.stat_result) -> None:
    """Raise SecretError unless the file is a plain one of ours that nobody else may read."""
    if not stat.S_ISREG(found.st_mode):
        raise SecretError(f"{purpose}: {path} is no plain file", remedy="name the file that holds it")
    if found.st_uid != os.geteuid():
        raise SecretError(f"{purpose}: {path} belongs to another user (uid {found.st_uid})", remedy="chown it to you")
    if found.st_mode & 0o077:
        raise SecretError(
            f"{purpose}: {path} may be read by others (mode {stat.S_IMODE(found.st_mode):04o})",
            remedy=f"chmod 600 {path}, and renew the secret if others have a login here",
        )


def _from_environment(name: str, purpose: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        remedy = f"export {name} in the shell that starts the runbook"
        raise SecretError(f"{purpose}: environment variable {name} is not set", remedy=remedy) from None


def _from_keyring(entry: str, purpose: str) -> str:
    import keyring  # noqa: PLC0415 - loading its backends takes time that most sites need not spend
    from keyring.errors import KeyringError  # noqa: PLC0415 - as above

    service, _, user = entry.rpartition("/")
    if not service or not user:
        raise SecretError(f"{purpose}: keyring entry {entry} has no user", remedy="write it as service/user")
    remedy = f"store it with: keyring set {service} {user}"
    try:
        text = keyring.get_password(service, user)
    except KeyringError as error:
        raise SecretError(f"{purpose}: the keyring cannot be asked: {error}", remedy="unlock it, or use env") from None
    if text is None:
        raise SecretError(f"{purpose}: keyring entry {entry} does not exist", remedy=remedy)
    return text


def _from_file(named: Path, purpose: str) -> str:
    path = named.expanduser()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not make us wait
    except FileNotFoundError:
        raise SecretError(f"{purpose}: {path} does not exist", remedy="create it with mode 600") from None
    except OSError as error:
        raise SecretError(f"{purpose}: {path} cannot be read: {error.strerror}", remedy="check its owner") from None
    try:
        refuse_unless_private(path, purpose, os.fstat(descriptor))  # of the open file: no time to swap it
        data = os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)
    try:
        return data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"{purpose}: {path} is not text", remedy="store the secret as UTF-8 text") from None
