from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import keyring
import keyring.errors
import pytest

from runbook_lib import redaction
from runbook_lib.errors import SecretError
from runbook_lib.params.model import SecretRef
from runbook_lib.redaction import MASK, redact
from runbook_lib.secrets import Secret, generate, is_placeholder, resolve


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_registered", {})


def _file(folder: Path, text: str, mode: int = 0o600) -> SecretRef:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return SecretRef(file=path)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_TEST", "correct-horse")
    assert resolve(SecretRef(env="RUNBOOK_TEST"), purpose="login").reveal() == "correct-horse"
    assert redact("saw correct-horse") == f"saw {MASK}"


def test_from_a_private_file_without_its_line_end(tmp_path: Path) -> None:
    assert resolve(_file(tmp_path, "correct-horse\n"), purpose="login").reveal() == "correct-horse"


def test_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_password", lambda service, user: f"{service}+{user}")
    assert resolve(SecretRef(keyring="fleet/a/bob"), purpose="login").reveal() == "fleet/a+bob"


def test_a_keyring_that_is_locked_or_lacks_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: str) -> str:
        raise keyring.errors.KeyringLocked("locked")

    monkeypatch.setattr(keyring, "get_password", locked)
    with pytest.raises(SecretError, match="login: the keyring cannot be asked: locked -> "):
        resolve(SecretRef(keyring="fleet/bob"), purpose="login")
    monkeypatch.setattr(keyring, "get_password", lambda *_: None)
    with pytest.raises(SecretError, match=r"does not exist -> .*keyring set fleet bob"):
        resolve(SecretRef(keyring="fleet/bob"), purpose="login")
    with pytest.raises(SecretError, match="service/user"):
        resolve(SecretRef(keyring="fleet"), purpose="login")


def test_missing_ones_are_named_with_their_purpose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNBOOK_TEST", raising=False)
    with pytest.raises(SecretError, match="login: environment variable RUNBOOK_TEST is not set -> export"):
        resolve(SecretRef(env="RUNBOOK_TEST"), purpose="login")
    with pytest.raises(SecretError, match=r"login: .* does not exist -> create"):
        resolve(SecretRef(file=tmp_path / "none"), purpose="login")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SecretError, match=f"mode {mode:04o}.*chmod 600"):
        resolve(_file(tmp_path, "correct-horse", mode), purpose="login")


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = _file(tmp_path, "correct-horse")
    monkeypatch.setattr("os.geteuid", lambda: 4_000_000)
    with pytest.raises(SecretError, match="belongs to another user"):
        resolve(ref, purpose="login")


def test_a_folder_and_bytes_are_no_secret(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="no plain file"):
        resolve(SecretRef(file=tmp_path), purpose="login")
    ref = _file(tmp_path, "")
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretError, match="not text"):
        resolve(ref, purpose="login")


@pytest.mark.parametrize("text", ["", "\n", "   "])
def test_an_empty_one_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SecretError, match="is empty"):
        resolve(_file(tmp_path, text), purpose="login")


def test_a_placeholder_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="holds a placeholder") as caught:
        resolve(_file(tmp_path, "producer_73_change_me"), purpose="ws_token")
    assert "producer_73" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "change_me", "changeme", "CHANGE-ME", "ws_token_73_change_me", "changeme123", "your_exchange_key", "YOUR-TOKEN",
        "xxx", "XXXXXXXX", "<token>", "<your token here>", "${WS_TOKEN}", "{{ token }}", "....", "00000000", "", "  ",
        "somethingrandom", "SuperSecurePassword", "sercet_Ws_t0ken", "password", "TODO", "replace_me",
        "insert-secret-here", "token goes here",
    ],
)  # fmt: skip
def test_placeholders(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    ["correct-horse", "hunter2", "exchange-medium-7", "yourself9", "K7x-Qm2", "a<b>c", "mylittlepony", "testament4"],
)
def test_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)


def test_generated_ones_are_long_and_never_alike() -> None:
    made = [generate() for _ in range(200)]
    assert len({secret.reveal() for secret in made}) == 200
    assert all(len(secret.reveal()) >= 43 and not is_placeholder(secret.reveal()) for secret in made)
    assert redact(made[0].reveal()) == MASK


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("correct-horse")
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>30}",
        repr([secret]),
        json.dumps([secret], default=str),
    ):
        assert "horse" not in text
        assert MASK in text or "\\u2022" in text
    with pytest.raises(TypeError):
        json.dumps(secret)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(secret, protocol)
    assert copy.deepcopy(secret) is copy.copy(secret) is secret
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_what_they_hold() -> None:
    assert Secret("correct-horse") == Secret("correct-horse") != Secret("battery-staple")
    assert len({Secret("correct-horse"), Secret("correct-horse")}) == 1
    assert Secret("correct-horse") != "correct-horse"
