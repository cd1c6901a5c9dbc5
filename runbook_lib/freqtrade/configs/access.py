"""Who may speak to a producer: its generated secrets, and what a consumer needs to reach it. Never shown in clear."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.parse import read_config
from runbook_lib.secrets import Secret, generate, is_placeholder

_SHORTEST_JWT_KEY = 32  # characters; freqtrade's schema refuses less


@dataclass(frozen=True, slots=True)
class ProducerSecrets:
    """What a producer's API server guards itself with."""

    username: str
    password: Secret
    jwt_secret_key: Secret
    ws_token: Secret

    @classmethod
    def generate(cls) -> ProducerSecrets:
        """Draw new secrets, 256 bits each."""
        return cls("runbook", generate(), generate(), generate())


@dataclass(frozen=True, slots=True)
class ProducerAccess:
    """Where a consumer finds a producer, and the token it shows there."""

    address: str
    port: int
    ws_token: Secret


def read_secrets(text: str) -> ProducerSecrets | None:
    """Return the secrets of an existing producer config, so that a second plan keeps those of the first.

    None if the text is no config, or if any of them is missing or a placeholder: then new ones are due.
    """
    try:
        server = read_config(text).data.get("api_server")
    except ParamsError:
        return None
    if not isinstance(server, dict):
        return None
    found = [server.get(key) for key in ("username", "password", "jwt_secret_key", "ws_token")]
    username, password, jwt_secret_key, ws_token = (value if isinstance(value, str) else "" for value in found)
    guarded = (password, jwt_secret_key, ws_token)
    if not username or any(is_placeholder(value) for value in guarded) or len(jwt_secret_key) < _SHORTEST_JWT_KEY:
        return None
    return ProducerSecrets(username, *(Secret(value) for value in guarded))
