"""The part of a site file that every migration has: hosts and the way to them.

A migration adds its own part by subclassing `Site`. Unknown keys are refused everywhere.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator


class Model(BaseModel):
    """Base of all params: frozen, and a key that is not known is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _is_address(value: str) -> str:
    ip_address(value)
    return value


def _from_project(value: Path, info: ValidationInfo) -> Path:
    """Make a relative path absolute: it counts from the project's root, which the loader knows."""
    path = value.expanduser()
    root = (info.context or {}).get("root")
    return path if path.is_absolute() or root is None else root / path


SitePath = Annotated[Path, AfterValidator(_from_project)]
Address = Annotated[str, AfterValidator(_is_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class SecretRef(Model):
    """Where a secret lies; never the secret itself. Exactly one of the three."""

    env: str | None = Field(None, description="name of an environment variable of the operator's shell")
    keyring: str | None = Field(None, description="service/user in the operator's keyring")
    file: SitePath | None = Field(None, description="a file of mode 0600")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.env, self.keyring, self.file)) != 1:
            raise ValueError("name exactly one of env, keyring, file")
        return self


class Host(Model):
    """One host of the fleet."""

    address: Address = Field(description="address on the fleet's own network; what SSH connects to")


class Ssh(Model):
    """How to reach the hosts. Host keys are always verified against ``known_hosts``; there is no switch for that."""

    user: str
    port: Port = 22
    known_hosts: SitePath = Field(Path("~/.ssh/known_hosts"), description="host keys that are trusted")
    config: SitePath | None = Field(
        None, description="an ssh_config file (ProxyJump, HostName, User, Port, IdentityFile)"
    )
    key: SitePath | None = Field(None, description="private key; without it the agent and the usual keys are tried")
    key_passphrase: SecretRef | None = None
    password: SecretRef | None = Field(None, description="login password, where keys cannot be used")
    sudo_password: SecretRef | None = Field(None, description="for system-wide units, where sudo asks")
    connect_seconds: float = Field(10.0, gt=0, description="deadline for a connection, seconds")
    command_seconds: float = Field(60.0, gt=0, description="deadline for one command, seconds")
    parallel: int = Field(32, ge=1, description="hosts worked on at the same time")


class Rollout(Model):
    """How a change goes over the fleet, and what it may cost before it stops by itself."""

    canary: int = Field(1, ge=1, description="hosts that go first, alone, and must pass a gate before any other")
    batch: int = Field(1, ge=1, description="hosts worked on together after the canary")
    failure_budget: int = Field(0, ge=0, description="hosts that may fail; one more, and no further batch is begun")


class Lab(Model):
    """The embedded lab that stands in for the fleet and the exchange, on this machine's loopback."""

    directory: SitePath = Field(Path(".lab"), description="hosts' roots, keys and logs; deleted by `runbook lab down`")
    seed: int = Field(20251123, description="of prices, tick sizes and late candles: same seed, same candles")
    exchange_port: Port = 18080
    admin_port: Port = 18081
    late_share: float = Field(
        0.3, ge=0, le=1, description="share of candles that the exchange revises after their close"
    )
    late_seconds: float = Field(1.5, ge=0, description="how long after its close a candle may still be revised")
    freqtrade: SitePath = Field(Path(".venv/freqtrade"), description="the environment that freqtrade is installed in")


class Site(Model):
    """One fleet in one place."""

    site: str = Field(pattern=r"^[a-z][a-z0-9-]*$", description="name of the site, part of every change id")
    hosts: dict[HostName, Host] = Field(min_length=1)
    ssh: Ssh
    units: Literal["user", "system"] = Field(
        "user", description="whose systemd carries the services: the login's own, or the host's through sudo"
    )
    rollout: Rollout = Field(default_factory=Rollout)
    lab: Lab | None = Field(None, description="present only where the fleet is the embedded lab")
