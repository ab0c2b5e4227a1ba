"""Every setting, and the only reader of the environment.

Settings come from `GATEPASS_*` variables and a `.env` file, are checked once at start and never change. Lifetimes are
in seconds here, as people write them; the core counts in milliseconds (`Settings.policy`).
"""

from __future__ import annotations

import difflib
import os
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gatepass.core import database_url
from gatepass.core.limits import Limits, Rate
from gatepass.core.schema import SECOND
from gatepass.core.server_secret import MINIMUM_BYTES, ServerSecret
from gatepass.core.unit import Policy, ReviewAccount

PREFIX = "GATEPASS_"
RESERVED = frozenset({"URL", "TEAM_ID", "TEAM_API_KEY", "PUBLISHABLE_KEY"})
"""Names that `gatepass exec` hands to its command; never settings."""
Listed = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """What a deployment says about itself. The descriptions are the settings reference."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
    )

    secret_key: SecretStr = Field(description="At least 32 bytes; of several, comma-separated, the first signs.")
    database_url: SecretStr = Field(
        SecretStr("sqlite:///gatepass.db"),
        description="sqlite:///path or postgresql://user:pass@host/name; "
        "of several hosts (one:5432,two:5432) the one that takes writes; TLS as libpq has it, "
        "?sslmode=verify-full&sslrootcert=/path.pem.",
    )
    public_url: str = Field("http://127.0.0.1:8000", description="Where clients reach this server.")
    junction_audience: str = Field("junction-api", description="The aud of Junction access tokens.")
    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:pass@host:587?starttls=true, or smtps://; with ca=/path.pem, whom else to trust. "
        "Unset: the inbox (dev only).",
    )
    mail_from: str = Field("Gatepass <no-reply@localhost>", description="The From of every mail.")
    code_in_subject: bool = Field(True, description="Put the code first in the subject, for lock-screen previews.")
    trusted_proxies: Listed = Field((), description="Addresses or networks whose X-Forwarded-For counts; default none.")
    admin_token: SecretStr | None = Field(None, description="Bearer of the admin API; unset: the admin API is off.")
    log_format: Literal["json", "console"] = Field("json", description="json or console.")
    metrics_dir: Path | None = Field(
        None,
        description="An empty directory in which several processes of one host add up what /metrics tells; "
        "gatepass serve --workers makes one by itself.",
    )
    tracing: bool = Field(
        False, description="Send traces by OTLP (pip install 'gatepass[otel]'); the standard OTEL_ variables say where."
    )
    test_mode: bool = Field(False, description="The test control plane; never on a public address.")
    expose_user_code: bool = Field(False, description="Development keys see the code in the answer (userCode).")
    review_accounts: Listed = Field((), description="addr:code:YYYY-MM-DD, comma-separated.", repr=False)
    code_length: int = Field(6, ge=5, le=10, description="Digits of an e-mail code.")
    code_cooldown: int = Field(30, ge=0, le=300, description="Seconds between two codes for one address.")

    limit_login_per_client: str = Field(
        "300/hour", description="Codes asked for by one client address; carriers put many phones behind one."
    )
    limit_wrong_codes_per_client: str = Field(
        "100/hour", description="Wrong codes and QR values from one client address; right ones are given back."
    )
    limit_codes_per_address: str = Field(
        "10/hour,20/day", description="Codes for one e-mail address, counted without its +tag and dots."
    )
    limit_codes_per_client_and_address: str = Field(
        "3/hour", description="Codes for one e-mail address asked for by one client address."
    )
    limit_wrong_codes_per_address: str = Field(
        "25/day", description="Wrong codes for one e-mail address, over all its transactions."
    )
    limit_invalid_refresh_per_client: str = Field(
        "100/hour", description="Invalid refresh tokens from one client address; valid ones never count."
    )
    limit_token_endpoint_per_client: str = Field(
        "3000/hour", description="Calls of the token endpoint from one client address (Junction dialect)."
    )

    elixir_access_ttl: int = Field(3600, ge=12, le=2_147_483, description="Seconds an Elixir access token lives.")
    elixir_idle_ttl: int = Field(180 * 86400, ge=60, description="Seconds an unused Elixir session stays open.")
    junction_access_ttl: int = Field(3600, ge=12, description="Seconds a Junction access token lives.")
    junction_idle_ttl: int = Field(90 * 86400, ge=60, description="Seconds an unused Junction session stays open.")
    junction_absolute_ttl: int = Field(
        400 * 86400, ge=0, description="Seconds any Junction session lives; 0: no limit."
    )
    sign_in_token_ttl: int = Field(900, ge=10, le=3600, description="Seconds a sign-in token lives.")
    code_ttl: int = Field(600, ge=60, le=600, description="Seconds an e-mail code lives.")
    qr_ttl: int = Field(120, ge=30, le=600, description="Seconds a QR value lives.")
    replay_window: int = Field(30, ge=0, le=300, description="Seconds in which parallel refreshes get one successor.")
    replay_budget: int = Field(3, ge=0, le=8, description="Late replays forgiven in the last 8 generations.")

    @field_validator("trusted_proxies", "review_accounts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            ip_network(part, strict=False)
        return value

    @field_validator("secret_key")
    @classmethod
    def _is_strong(cls, value: SecretStr) -> SecretStr:
        for listed in value.get_secret_value().split(","):
            text = listed.strip()
            if len(text.encode()) < MINIMUM_BYTES or len(set(text)) < 8:
                raise ValueError(f"each secret needs at least {MINIMUM_BYTES} bytes of chance: run `gatepass init`")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_a_database_of_ours(cls, value: SecretStr) -> SecretStr:
        how = "write it like sqlite:///path or postgresql://user:password@host/name"
        try:
            url = database_url.parse(value.get_secret_value())
        except database_url.UnknownSslMode:
            raise
        except ValueError:
            raise ValueError(how) from None
        kind = url.get_backend_name()
        if kind == "sqlite" and (url.host or (url.database or ":memory:") == ":memory:"):
            raise ValueError(f"a database in memory would be a new one for every connection; {how}")
        return value

    @field_validator("public_url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write it like https://auth.example.com")
        return value.rstrip("/")

    @field_validator("review_accounts")
    @classmethod
    def _are_accounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            _review_account(part)
        return value

    @field_validator(
        "limit_login_per_client",
        "limit_wrong_codes_per_client",
        "limit_codes_per_address",
        "limit_codes_per_client_and_address",
        "limit_wrong_codes_per_address",
        "limit_invalid_refresh_per_client",
        "limit_token_endpoint_per_client",
    )
    @classmethod
    def _are_rates(cls, value: str) -> str:
        Rate.parse(value)
        return value

    def secret(self) -> ServerSecret:
        """The server's secret, ready to derive keys."""
        return ServerSecret(*(part.strip() for part in self.secret_key.get_secret_value().split(",")))

    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks whose X-Forwarded-For is believed."""
        return tuple(ip_network(part, strict=False) for part in self.trusted_proxies)

    def policy(self) -> Policy:
        """The same decisions as the core takes them, in ms."""
        cooldown = (Rate(1, self.code_cooldown * SECOND),) if self.code_cooldown else ()
        return Policy(
            issuer=self.public_url,
            junction_audience=self.junction_audience,
            elixir_access_ttl=self.elixir_access_ttl * SECOND,
            elixir_idle_ttl=self.elixir_idle_ttl * SECOND,
            junction_access_ttl=self.junction_access_ttl * SECOND,
            junction_idle_ttl=self.junction_idle_ttl * SECOND,
            junction_absolute_ttl=self.junction_absolute_ttl * SECOND or None,
            sign_in_token_ttl=self.sign_in_token_ttl * SECOND,
            code_ttl=self.code_ttl * SECOND,
            code_length=self.code_length,
            qr_ttl=self.qr_ttl * SECOND,
            replay_window=self.replay_window * SECOND,
            replay_budget=self.replay_budget,
            limits=Limits(
                login_per_client=Rate.parse(self.limit_login_per_client),
                wrong_codes_per_client=Rate.parse(self.limit_wrong_codes_per_client),
                codes_per_address=Rate.parse(self.limit_codes_per_address),
                codes_per_client_and_address=Rate.parse(self.limit_codes_per_client_and_address),
                wrong_codes_per_address=Rate.parse(self.limit_wrong_codes_per_address),
                invalid_refresh_per_client=Rate.parse(self.limit_invalid_refresh_per_client),
                token_endpoint_per_client=Rate.parse(self.limit_token_endpoint_per_client),
                cooldown=cooldown,
            ),
            review_accounts=tuple(_review_account(part) for part in self.review_accounts),
            expose_user_code=self.expose_user_code,
            dotless_domains=self.test_mode,
            test_mode=self.test_mode,
        )


def _review_account(text: str) -> ReviewAccount:
    address, _, rest = text.rpartition(":")[0].rpartition(":")
    day = text.rpartition(":")[2]
    if "@" not in address or not (rest.isascii() and rest.isdigit() and 5 <= len(rest) <= 10):
        raise ValueError("a review account is written addr:code:YYYY-MM-DD, its code 5 to 10 digits")
    return ReviewAccount(address.strip().lower(), rest, date.fromisoformat(day))


def load(**given: Any) -> Settings:
    """Settings from the environment and `.env`; *given* ones win. Raises pydantic.ValidationError, MisspeltSetting."""
    misspelt(environment())
    return Settings(**given)


def environment() -> dict[str, str]:
    """The `GATEPASS_` variables that are set and not empty, in `.env` or, winning, in the environment."""
    found = {**dotenv_values(".env", encoding="utf-8"), **os.environ}
    return {name: value for name, value in found.items() if name.startswith(PREFIX) and value}


class MisspeltSetting(ValueError):
    """A `GATEPASS_` variable that is a near miss of a known name."""


def misspelt(environment: Any) -> list[str]:
    """The unknown `GATEPASS_` variables, which is fine: orchestrators inject their own (`GATEPASS_PORT`).

    Raises MisspeltSetting for one that is a near miss of a setting, for its value would be silently lost.
    """
    known = [name.upper() for name in Settings.model_fields]
    unknown = []
    for variable in environment:
        name = variable.removeprefix(PREFIX).upper()
        if not variable.startswith(PREFIX) or name in known or name in RESERVED:
            continue
        if close := difflib.get_close_matches(name, known, n=1, cutoff=0.85):
            raise MisspeltSetting(f"{variable} is no setting; did you mean {PREFIX}{close[0]}?")
        unknown.append(variable)
    return unknown


def load_file(path: Path, **given: Any) -> Settings:
    """Settings from the environment and the given env file instead of `.env`."""
    return Settings(_env_file=path, **given)
