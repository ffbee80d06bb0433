"""Settings: the only reader of the environment (and of a `.env` file in the working directory)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from nacl.signing import SigningKey
from pydantic import AliasGenerator, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.events.event_types import Selection
from service.processes.loopback import is_loopback
from service.processes.redis_url import is_cluster_url, parse_redis_url
from service.security.encryption import Sealer, parse_keys, sealer_of
from service.security.standard_webhooks import Secret
from service.security.telnyx_signature import TOLERANCE, PublicKey, describe_known_key
from service.settings import values
from service.settings.alert_rate import AlertRate
from service.settings.send_limits import SendLimits
from service.settings.simulated_data import advice
from service.settings.values import Duration, Size, Trimmed, TrimmedSecret, TrimmedText, checked_by

ENV_FILE = ".env"
DASHBOARD_PORT = 8081
"""The port of a dashboard without `RINGBACK_DASHBOARD_PORT`."""
MAX_TOLERANCE = 900.0
"""Seconds in which an observer of a webhook can repeat it."""
MAX_BODY = 32 * 1024**2
"""Bytes that all bodies of a process may take. A larger body would never find room."""
MIN_MEMORY = 4_000_000
"""Bytes: an embedded server with less would refuse the first event."""

_OTHER_NAMES = {"redis_url": "REDIS_URL", "handlers": "HANDLERS"}
_OTHER_NAMES |= {name: f"TELNYX_{name.upper()}" for name in ("public_key", "api_key", "base_url")}
"""Variables by field. The others are `RINGBACK_` and the field's name."""
OF_THE_SDK = frozenset({"TELNYX_CLIENT_ID", "TELNYX_CLIENT_SECRET", "TELNYX_CUSTOM_HEADERS"})
"""Variables that only Telnyx's SDK reads."""
_SAMPLE_API_KEY = "KEY0123456789ABCDEF"
_UNUSED_BY_INGRESS = frozenset(
    {"TELNYX_API_KEY", "RINGBACK_NOTIFY", "RINGBACK_FORWARD_SECRET", "RINGBACK_DASHBOARD_USERS"}
)
"""Secrets that the ingress does not use, so that an intruder finds none."""


class InvalidSettings(Exception):
    """The environment is invalid. The text names each variable and its fault."""


class Settings(BaseSettings):
    """Every setting of the environment, read once per process. Durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(
            validation_alias=lambda name: _OTHER_NAMES.get(name, f"RINGBACK_{name.upper()}")
        ),
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, given: Any) -> Any:
        """Drop empty variables, so that they unset a value of `.env`."""
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given

    public_key: Annotated[TrimmedText, checked_by(values.public_keys)] = None
    api_key: Annotated[TrimmedSecret, values.Ascii] = None
    base_url: Annotated[str, Trimmed, checked_by(values.check_api_url)] = "https://api.telnyx.com/v2"
    insecure_api: bool = False
    redis_url: Annotated[TrimmedSecret, checked_by(parse_redis_url)] = None
    namespace: Annotated[str, checked_by(values.check_namespace)] = Field("ringback", validate_default=True)
    replicas: int = Field(0, ge=0, le=10)
    data: Path = Path("data")
    handlers: Annotated[str, values.ImportString] = "handlers:router"
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    admin_port: int | None = Field(None, ge=0, le=65535)
    admin_host: str = "127.0.0.1"
    keep_alive: Duration = Field(75.0, ge=1, le=86_400)
    dashboard_port: int | None = Field(None, ge=0, le=65535)
    dashboard_host: str = "127.0.0.1"
    dashboard_users: Annotated[SecretStr | None, checked_by(values.check_dashboard_users)] = None
    dashboard_proxy_header: Annotated[str | None, values.HeaderName] = None
    dashboard_proxy_peers: Annotated[TrimmedText, checked_by(values.networks)] = None
    dashboard_root_path: Annotated[str, values.RootPath] = ""
    ingress_processes: int = Field(1, ge=1, le=64)
    concurrency: int = Field(100, ge=1, le=10_000)
    max_attempts: int = Field(8, ge=1, le=100)
    handler_timeout: Duration = 30.0
    lease: Duration = Field(15.0, ge=1)
    retention: Duration = 7 * 86400.0
    body_retention: Duration = 86400.0
    dead_retention: Duration = 90 * 86400.0
    max_wait: Duration = 7 * 86400.0
    outage_patience: Duration = 22 * 3600.0
    grace: Duration = 25.0
    max_body: Size = Field(1024**2, le=MAX_BODY)
    max_memory: Size | None = Field(None, ge=MIN_MEMORY)
    tolerance: Duration = Field(TOLERANCE, le=MAX_TOLERANCE)
    probe_key: Annotated[TrimmedSecret, checked_by(values.signing_key)] = None
    sms_from: values.Sender = None
    policy: Path | None = None
    sms_per_hour: int = Field(500, ge=1)
    replies_per_hour: int = Field(1000, ge=1)
    reply_countries: Annotated[frozenset[str], NoDecode, values.read_by(values.countries)] = frozenset()
    notify: TrimmedSecret = None
    delivery_alerts: Annotated[AlertRate, NoDecode, values.read_by(AlertRate.parse)] = AlertRate()
    public_url: Annotated[TrimmedText, values.webhook_url("/webhooks")] = None
    failover_url: Annotated[TrimmedText, values.webhook_url("/webhooks/failover")] = None
    failover_shares_store: bool = False
    manage: Annotated[str | None, checked_by(values.check_ids)] = None
    repair_webhooks: bool = False
    forward_url: Annotated[TrimmedText, checked_by(values.check_receiver)] = None
    forward_types: Annotated[str, checked_by(Selection.parse)] = "*"
    forward_secret: Annotated[TrimmedSecret, checked_by(values.webhook_secrets)] = None
    limits: Annotated[SendLimits, NoDecode, values.read_by(SendLimits.parse)] = SendLimits()
    resend: Literal["same-key", "never"] = "same-key"
    dry_run: bool = False
    encryption_key: Annotated[TrimmedSecret, checked_by(parse_keys)] = None

    @field_validator("namespace")
    @classmethod
    def _in_one_slot(cls, name: str, info: ValidationInfo) -> str:
        """Return the name in braces for a cluster, which places by them all keys of a deployment in one slot."""
        url: SecretStr | None = info.data.get("redis_url")
        return f"{{{name}}}" if url is not None and is_cluster_url(url.get_secret_value()) else name

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        # An event that is forgotten within the tolerance would run again when it is repeated.
        if self.tolerance >= self.retention:
            raise ValueError("RINGBACK_TOLERANCE must be below RINGBACK_RETENTION: a repeated webhook would run again")
        # Without named peers, anybody could say who he is.
        if self.dashboard_proxy_header is not None and self.dashboard_proxy_peers is None:
            raise ValueError(
                "RINGBACK_DASHBOARD_PROXY_HEADER needs RINGBACK_DASHBOARD_PROXY_PEERS: the addresses of your proxies,"
                " such as 127.0.0.1,10.0.0.0/8"
            )
        # The API key must not cross a network in the clear.
        if self.is_api_insecure() and not self.insecure_api:
            raise ValueError(
                "TELNYX_BASE_URL: http:// shows the API key to the network: use https://,"
                " or set RINGBACK_INSECURE_API=true"
            )
        return self

    def is_api_insecure(self) -> bool:
        """Return whether `TELNYX_BASE_URL` is `http://` to another machine."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")

    def is_api_telnyx(self) -> bool:
        """Return whether `TELNYX_BASE_URL` is Telnyx's own API."""
        host = (urlsplit(self.base_url).hostname or "").rstrip(".").lower()
        return host == "telnyx.com" or host.endswith(".telnyx.com")

    def require_public_keys(self) -> tuple[PublicKey, ...]:
        """Return the keys that may sign webhooks, in the order given.

        Raises:
            InvalidSettings: `TELNYX_PUBLIC_KEY` is not set. Or anybody can sign with one of the keys, and the ingress
                listens beyond loopback or calls Telnyx's own API.
        """
        if self.public_key is None:
            raise InvalidSettings(
                "TELNYX_PUBLIC_KEY is not set: copy the account's public key from Mission Control,"
                " Keys & Credentials, Public Key"
            )
        keys = values.public_keys(self.public_key)
        if not is_loopback(self.host) or self.is_api_telnyx():
            for key in keys:
                _refuse_known_key("TELNYX_PUBLIC_KEY", key)
            if (probe_key := self.probe_public_key()) is not None:
                _refuse_known_key("RINGBACK_PROBE_KEY", probe_key)
        return keys

    def require_api_key(self) -> str:
        """Return the key of the Telnyx API.

        Raises:
            InvalidSettings: `TELNYX_API_KEY` is not set, or is the sample of the documentation.
        """
        create = "create one in Mission Control, Keys & Credentials, API Keys"
        if self.api_key is None:
            raise InvalidSettings(f"TELNYX_API_KEY is not set: {create}{advice(self.data)}")
        if self.is_api_telnyx() and self.api_key.get_secret_value() == _SAMPLE_API_KEY:
            raise InvalidSettings(f"TELNYX_API_KEY is the sample of the documentation: {create}")
        return self.api_key.get_secret_value()

    def require_public_url(self) -> str:
        """Return the URL to which Telnyx should deliver.

        Raises:
            InvalidSettings: `RINGBACK_PUBLIC_URL` is not set.
        """
        if self.public_url is None:
            raise InvalidSettings(
                "RINGBACK_PUBLIC_URL is not set: give the address at which Telnyx reaches this Ringback,"
                f" such as https://hooks.example.com/webhooks{advice(self.data)}"
            )
        return self.public_url

    def managed_ids(self) -> frozenset[str] | None:
        """Return the ids of agents and messaging profiles that Ringback may change. `*` is all, None is none named."""
        return None if self.manage is None else frozenset(each.strip() for each in self.manage.split(","))

    def forwarded_types(self) -> Selection:
        """Return the event types that are forwarded where `RINGBACK_FORWARD_URL` is set."""
        return Selection.parse(self.forward_types)

    def forward_secrets(self) -> tuple[Secret, ...]:
        """Return the keys that sign forwarded events, without `RINGBACK_FORWARD_SECRET` none."""
        return () if self.forward_secret is None else values.webhook_secrets(self.forward_secret.get_secret_value())

    def sealer(self) -> Sealer:
        """Return the sealer of stored data. Without `RINGBACK_ENCRYPTION_KEY` it changes nothing."""
        return sealer_of(None if self.encryption_key is None else self.encryption_key.get_secret_value())

    def probe_public_key(self) -> PublicKey | None:
        """Return the key that may sign `ringback.probe` events, or None where probes are off."""
        signing_key = self.probe_signing_key()
        return None if signing_key is None else PublicKey(bytes(signing_key.verify_key), "probe")

    def probe_signing_key(self) -> SigningKey | None:
        """Return the key that signs `ringback.probe` events, or None where probes are off."""
        return None if self.probe_key is None else values.signing_key(self.probe_key.get_secret_value())


class IngressSettings(Settings):
    """Settings without the secrets that the ingress does not use."""

    @model_validator(mode="before")
    @classmethod
    def _drop_unused_secrets(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if name.upper() not in _UNUSED_BY_INGRESS}


def without_unused_by_ingress(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the secrets that the ingress does not use. The SDK's are among them."""
    unused = _UNUSED_BY_INGRESS | OF_THE_SDK
    return {name: value for name, value in environment.items() if name.upper() not in unused}


def load(kind: type[Settings] = Settings) -> Settings:
    """Read the environment and `.env`.

    Raises:
        InvalidSettings: a variable is invalid. The text names each one.
    """
    try:
        return kind()
    except ValidationError as error:
        raise InvalidSettings(_explain(error)) from None
    except (UnicodeDecodeError, PermissionError) as error:
        raise unreadable_env_file(error) from None


def unreadable_env_file(error: UnicodeDecodeError | PermissionError) -> InvalidSettings:
    """Return what a person has to do before `.env` can be read."""
    if isinstance(error, UnicodeDecodeError):
        return InvalidSettings(".env must be UTF-8")
    advice = "let this user read it, start in another folder, or remove it and set the variables in the environment"
    return InvalidSettings(f".env cannot be read by user {os.geteuid()}: {advice}")


def load_for_ingress() -> Settings:
    """Read the settings of the ingress, which has no API key. Otherwise like `load`."""
    return load(IngressSettings)


def _refuse_known_key(variable: str, key: PublicKey) -> None:
    owner = describe_known_key(key.raw)
    if owner is None:
        return
    advice = (
        "copy the account's key from Mission Control, Keys & Credentials, Public Key"
        if variable == "TELNYX_PUBLIC_KEY"
        else "make one of your own, base64 of 32 random bytes"
    )
    raise InvalidSettings(
        f"{variable} is {owner}, and anybody can sign with it: {advice}. It is taken only while RINGBACK_HOST is"
        " loopback and TELNYX_BASE_URL is a local Telnyx"
    )


def _explain(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)
    told = ((".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")) for each in found)
    return "\n".join(": ".join(filter(None, each)) for each in told)
