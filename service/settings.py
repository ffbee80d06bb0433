"""Settings: the only reader of the environment (and of a `.env` file in the working directory)."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit, urlunsplit

from dotenv import dotenv_values
from nacl.signing import SigningKey
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.events.event_types import Selection
from service.processes.loopback import is_loopback
from service.processes.redis_url import parse_redis_url
from service.security.encryption import Sealer, parse_keys, sealer_of
from service.security.known_keys import describe_known_key
from service.security.standard_webhooks import Secret
from service.security.telnyx_signature import TOLERANCE, PublicKey

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*")
_SECONDS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"\s*(\d+)\s*(B|KiB|MiB|GiB|KB|MB|GB)?\s*", re.IGNORECASE)
_BYTES = {None: 1, "b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|profile")
_IMPORT_STRING = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_AROUND_COMMAS = re.compile(r"\s*,\s*")
_RATE = re.compile(r"\d+(\.\d+)?")


ENV_FILE = ".env"
_OF_THE_SDK = frozenset({"TELNYX_CLIENT_ID", "TELNYX_CLIENT_SECRET", "TELNYX_CUSTOM_HEADERS"})
"""Variables that mean something to the SDK of Telnyx alone."""


MAX_TOLERANCE = 900.0
"""Seconds: an observer of a webhook can repeat it for so long."""
MIN_MEMORY = 4_000_000
"""Bytes: an embedded server with less would refuse the first event."""
_SAMPLE_API_KEY = "KEY0123456789ABCDEF"
_UNUSED_BY_INGRESS = frozenset({"TELNYX_API_KEY", "RINGBACK_NOTIFY", "RINGBACK_FORWARD_SECRET"})
"""Secrets that the ingress does not use, so that an intruder finds none."""


class InvalidSettings(Exception):  # noqa: N818 - reads as a state, not as a crash
    """The environment is not fit to start with; the text names each variable and what is wrong with it."""


def seconds(value: object) -> object:
    """Read `30`, `30s`, `250ms`, `22h` or `7d` as seconds; other types pass through to pydantic."""
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError("give a duration such as 30s, 15m, 22h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def size(value: object) -> object:
    """Read `1048576`, `512KiB`, `1MiB` or `2GB` as bytes; other types pass through to pydantic."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("give a size such as 512KiB, 1MiB or 2GB")
    return int(match[1]) * _BYTES[match[2].lower() if match[2] else None]


def _public_keys(text: str) -> tuple[PublicKey, ...]:
    entries = text.split(",")
    if any(not entry.strip() for entry in entries):
        raise ValueError("an entry between commas is empty")
    return tuple(PublicKey.parse(entry) for entry in entries)


def _checked_public_keys(text: str | None) -> str | None:
    if text is not None:
        _public_keys(text)
    return text


def _namespace(text: str) -> str:
    if text == "arq":
        raise ValueError("that would be the queue of every arq application without one of its own: use another name")
    if not _NAMESPACE.fullmatch(text):
        raise ValueError("use 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit")
    return text


def _trimmed(value: object) -> object:
    """Take away white space at the ends; refuse it, and what does not print, inside: no key or URL has either.

    Beside a comma white space is let pass: the lists among the variables are written so.
    """
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    text = _AROUND_COMMAS.sub(",", text.strip())
    if any(each.isspace() or not each.isprintable() for each in text):
        raise ValueError("has white space or a control character inside: copy it anew, without line breaks")
    return text or None


def _ascii(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not secret.get_secret_value().isascii():
        raise ValueError("holds a character that no key has: copy it anew")
    return secret


def _redis_url(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        parse_redis_url(secret.get_secret_value())
    return secret


@dataclass(frozen=True, slots=True)
class SendLimits:
    """Sends per second by product, for all workers together; the defaults are those of a new account.

    Source: knowledge base, rate limiting. Telnyx publishes none for WhatsApp: Meta lets one number send 80 a second
    (Meta's page on throughput).
    """

    sms: float = 50
    mms: float = 15
    rcs: float = 1
    whatsapp: float = 80

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sms=50,mms=15,rcs=1,whatsapp=80`; missing products have their defaults.

        Raises:
            ValueError: a part does not fit; the text names it.
        """
        given: dict[str, float] = {}
        for number, part in enumerate(text.split(","), start=1):
            product, equals, rate = (each.strip() for each in part.partition("="))
            known = [each.name for each in fields(cls)]
            if not equals or product not in known:
                raise ValueError(f"part {number} does not begin with one of {', '.join(f'{each}=' for each in known)}")
            if product in given:
                raise ValueError(f"{product} is given twice")
            given[product] = _per_second(product, rate)
        return cls(**given)

    def of(self, product: Literal["sms", "mms", "rcs", "whatsapp"]) -> float:
        """The sends per second of one product."""
        return {"sms": self.sms, "mms": self.mms, "rcs": self.rcs, "whatsapp": self.whatsapp}[product]

    def __str__(self) -> str:
        return ",".join(f"{each.name}={getattr(self, each.name):g}" for each in fields(self))


def _per_second(product: str, text: str) -> float:
    if not _RATE.fullmatch(text) or not 0.001 <= float(text) <= 10_000:
        raise ValueError(f"{product}: give a number of sends per second from 0.001 to 10000, such as {product}=20")
    if float(text) > 1 and not float(text).is_integer():
        raise ValueError(f"{product}: above one per second, give a whole number")
    return float(text)


def _send_limits(value: object) -> object:
    return SendLimits.parse(value) if isinstance(value, str) else value


def checked_sender(text: str | None) -> str | None:
    """Let pass who may send an SMS: a number, a short code, or `profile` for the number pool of a profile.

    Raises:
        ValueError: it is none of those.
    """
    if text is not None and not _SENDER.fullmatch(text):
        raise ValueError("give a number such as +13125550001, a short code of 3 to 8 digits, or the word profile")
    return text


def _import_string(text: str) -> str:
    if not _IMPORT_STRING.fullmatch(text):
        raise ValueError("give module:name, such as my_handlers:router")
    return text


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with https:// (or http://, for a local Telnyx)")
    _parts(text)
    return text


def _parts(text: str) -> SplitResult:
    """The parts of a URL that can be used: it has a host, and a port that is none is no part of a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        # Its own text quotes the URL, and a password with it.
        raise ValueError(
            "cannot be read: percent-encode special characters in a user name or password, such as / as %2F"
        ) from None
    if not parts.hostname:
        raise ValueError("names no host: give an address such as https://host/path")
    return parts


def _webhook_url(text: str | None, path: str) -> str | None:
    """The address of one of our two doors; without a path of its own (behind a proxy, say) it has ours."""
    if text is None:
        return None
    parts = _parts(_http_url(text))
    return text if parts.path.strip("/") else urlunsplit(parts._replace(path=path))


def _public_url(text: str | None) -> str | None:
    return _webhook_url(text, "/webhooks")


def _failover_url(text: str | None) -> str | None:
    return _webhook_url(text, "/webhooks/failover")


def _ids(text: str | None) -> str | None:
    if text is not None and text.strip() != "*" and any(each.strip() in ("", "*") for each in text.split(",")):
        raise ValueError("give * alone, or ids of agents and messaging profiles with commas between them")
    return text


def _receiver(text: str | None) -> str | None:
    if text is None:
        return None
    if not text.startswith(("http://", "https://")) or not text.isascii():
        raise ValueError("give the whole address of your service, such as https://host/webhooks")
    _parts(text)
    return text


def _event_types(text: str) -> str:
    Selection.parse(text)
    return text


def _secrets(secret: SecretStr) -> tuple[Secret, ...]:
    return tuple(Secret.parse(entry) for entry in secret.get_secret_value().split(","))


def _checked_secrets(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        _secrets(secret)
    return secret


def _countries(value: object) -> object:
    """Two letters each (ISO 3166), with commas between them; empty for those of our own numbers."""
    if not isinstance(value, str):
        return value
    countries = [each.strip().upper() for each in value.split(",")] if value.strip() else []
    if not all(re.fullmatch("[A-Z]{2}", each) for each in countries):
        raise ValueError("give countries by two letters, with commas between them, such as US,CA")
    return frozenset(countries)


def _encryption_key(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        parse_keys(secret.get_secret_value())
    return secret


def _probe_key(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        _signing_key(secret)
    return secret


def _signing_key(secret: SecretStr) -> SigningKey:
    try:
        seed = base64.b64decode(secret.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64 of 32 random bytes") from None
    if len(seed) != 32:
        raise ValueError(f"must be base64 of 32 random bytes, this one has {len(seed)}")
    return SigningKey(seed)


_TRIMMED = BeforeValidator(_trimmed)
Duration = Annotated[float, BeforeValidator(seconds), Field(gt=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(size), Field(gt=0)]


class Settings(BaseSettings):
    """Everything that the environment decides, read once per process; durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, values: Any) -> Any:
        """An empty variable unsets what `.env` says."""
        return {name: value for name, value in values.items() if value != ""} if isinstance(values, dict) else values

    public_key: Annotated[str | None, _TRIMMED, AfterValidator(_checked_public_keys)] = Field(
        None, validation_alias="TELNYX_PUBLIC_KEY"
    )
    api_key: Annotated[SecretStr | None, _TRIMMED, AfterValidator(_ascii)] = Field(
        None, validation_alias="TELNYX_API_KEY"
    )
    base_url: Annotated[str, _TRIMMED, AfterValidator(_http_url)] = Field(
        "https://api.telnyx.com/v2", validation_alias="TELNYX_BASE_URL"
    )
    insecure_api: bool = Field(False, validation_alias="RINGBACK_INSECURE_API")
    redis_url: Annotated[SecretStr | None, _TRIMMED, AfterValidator(_redis_url)] = Field(
        None, validation_alias="REDIS_URL"
    )
    namespace: Annotated[str, AfterValidator(_namespace)] = Field("ringback", validation_alias="RINGBACK_NAMESPACE")
    data: Path = Field(Path("data"), validation_alias="RINGBACK_DATA")
    handlers: Annotated[str, AfterValidator(_import_string)] = Field("handlers:router", validation_alias="HANDLERS")
    host: str = Field("127.0.0.1", validation_alias="RINGBACK_HOST")
    port: int = Field(8080, ge=0, le=65535, validation_alias="RINGBACK_PORT")
    admin_port: int | None = Field(None, ge=0, le=65535, validation_alias="RINGBACK_ADMIN_PORT")
    admin_host: str = Field("127.0.0.1", validation_alias="RINGBACK_ADMIN_HOST")
    keep_alive: Duration = Field(75.0, ge=1, le=86_400, validation_alias="RINGBACK_KEEP_ALIVE")
    ingress_processes: int = Field(1, ge=1, le=64, validation_alias="RINGBACK_INGRESS_PROCESSES")
    concurrency: int = Field(100, ge=1, le=10_000, validation_alias="RINGBACK_CONCURRENCY")
    max_attempts: int = Field(8, ge=1, le=100, validation_alias="RINGBACK_MAX_ATTEMPTS")
    handler_timeout: Duration = Field(30.0, validation_alias="RINGBACK_HANDLER_TIMEOUT")
    lease: Duration = Field(15.0, ge=1, validation_alias="RINGBACK_LEASE")
    retention: Duration = Field(7 * 86400.0, validation_alias="RINGBACK_RETENTION")
    body_retention: Duration = Field(86400.0, validation_alias="RINGBACK_BODY_RETENTION")
    dead_retention: Duration = Field(90 * 86400.0, validation_alias="RINGBACK_DEAD_RETENTION")
    max_wait: Duration = Field(7 * 86400.0, validation_alias="RINGBACK_MAX_WAIT")
    outage_patience: Duration = Field(22 * 3600.0, validation_alias="RINGBACK_OUTAGE_PATIENCE")
    grace: Duration = Field(25.0, validation_alias="RINGBACK_GRACE")
    max_body: Size = Field(1024**2, le=64 * 1024**2, validation_alias="RINGBACK_MAX_BODY")
    max_memory: Size | None = Field(None, ge=MIN_MEMORY, validation_alias="RINGBACK_MAX_MEMORY")
    tolerance: Duration = Field(TOLERANCE, le=MAX_TOLERANCE, validation_alias="RINGBACK_TOLERANCE")
    probe_key: Annotated[SecretStr | None, _TRIMMED, AfterValidator(_probe_key)] = Field(
        None, validation_alias="RINGBACK_PROBE_KEY"
    )
    sms_from: Annotated[str | None, AfterValidator(checked_sender)] = Field(None, validation_alias="RINGBACK_SMS_FROM")
    policy: Path | None = Field(None, validation_alias="RINGBACK_POLICY")
    sms_per_hour: int = Field(500, ge=1, validation_alias="RINGBACK_SMS_PER_HOUR")
    replies_per_hour: int = Field(1000, ge=1, validation_alias="RINGBACK_REPLIES_PER_HOUR")
    reply_countries: Annotated[frozenset[str], NoDecode, BeforeValidator(_countries)] = Field(
        frozenset(), validation_alias="RINGBACK_REPLY_COUNTRIES"
    )
    notify: Annotated[SecretStr | None, _TRIMMED] = Field(None, validation_alias="RINGBACK_NOTIFY")
    public_url: Annotated[str | None, _TRIMMED, AfterValidator(_public_url)] = Field(
        None, validation_alias="RINGBACK_PUBLIC_URL"
    )
    failover_url: Annotated[str | None, _TRIMMED, AfterValidator(_failover_url)] = Field(
        None, validation_alias="RINGBACK_FAILOVER_URL"
    )
    manage: Annotated[str | None, AfterValidator(_ids)] = Field(None, validation_alias="RINGBACK_MANAGE")
    repair_webhooks: bool = Field(False, validation_alias="RINGBACK_REPAIR_WEBHOOKS")
    forward_url: Annotated[str | None, _TRIMMED, AfterValidator(_receiver)] = Field(
        None, validation_alias="RINGBACK_FORWARD_URL"
    )
    forward_types: Annotated[str, AfterValidator(_event_types)] = Field("*", validation_alias="RINGBACK_FORWARD_TYPES")
    forward_secret: Annotated[SecretStr | None, _TRIMMED, AfterValidator(_checked_secrets)] = Field(
        None, validation_alias="RINGBACK_FORWARD_SECRET"
    )

    limits: Annotated[SendLimits, NoDecode, BeforeValidator(_send_limits)] = Field(
        SendLimits(), validation_alias="RINGBACK_LIMITS"
    )
    resend: Literal["same-key", "never"] = Field("same-key", validation_alias="RINGBACK_RESEND")
    dry_run: bool = Field(False, validation_alias="RINGBACK_DRY_RUN")
    encryption_key: Annotated[SecretStr | None, _TRIMMED, AfterValidator(_encryption_key)] = Field(
        None, validation_alias="RINGBACK_ENCRYPTION_KEY"
    )

    @model_validator(mode="after")
    def _check_tolerance(self) -> Self:
        """An event that is forgotten within the tolerance would be run once more when it is repeated."""
        if self.tolerance >= self.retention:
            raise ValueError("RINGBACK_TOLERANCE must be below RINGBACK_RETENTION: a repeated webhook would run again")
        return self

    @model_validator(mode="after")
    def _check_transport(self) -> Self:
        """The API key must not cross a network in the clear."""
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
        """The keys that may sign webhooks, in the order given.

        Raises:
            InvalidSettings: `TELNYX_PUBLIC_KEY` is not set; or one of them, or the probe key, is one that anybody can
                sign with, and the ingress listens beyond loopback or calls Telnyx's own API.
        """
        if self.public_key is None:
            raise InvalidSettings(
                "TELNYX_PUBLIC_KEY is not set: copy the account's public key from Mission Control,"
                " Keys & Credentials, Public Key"
            )
        keys = _public_keys(self.public_key)
        self._refuse_known_keys(keys)
        return keys

    def _refuse_known_keys(self, keys: tuple[PublicKey, ...]) -> None:
        if is_loopback(self.host) and not self.is_api_telnyx():
            return
        probe_key = self.probe_public_key()
        named = [("TELNYX_PUBLIC_KEY", each) for each in keys]
        named += [] if probe_key is None else [("RINGBACK_PROBE_KEY", probe_key)]
        for variable, key in named:
            if owner := describe_known_key(bytes(key.verify_key)):
                raise InvalidSettings(_told_of_known_key(variable, owner))

    def require_api_key(self) -> str:
        """The key of the Telnyx API.

        Raises:
            InvalidSettings: `TELNYX_API_KEY` is not set, or is the sample of the documentation.
        """
        create = "create one in Mission Control, Keys & Credentials, API Keys"
        if self.api_key is None:
            raise InvalidSettings(f"TELNYX_API_KEY is not set: {create}")
        if self.is_api_telnyx() and self.api_key.get_secret_value() == _SAMPLE_API_KEY:
            raise InvalidSettings(f"TELNYX_API_KEY is the sample of the documentation: {create}")
        return self.api_key.get_secret_value()

    def require_public_url(self) -> str:
        """Where Telnyx should deliver.

        Raises:
            InvalidSettings: `RINGBACK_PUBLIC_URL` is not set.
        """
        if self.public_url is None:
            raise InvalidSettings(
                "RINGBACK_PUBLIC_URL is not set: give the address at which Telnyx reaches this Ringback,"
                " such as https://hooks.example.com/webhooks"
            )
        return self.public_url

    def managed_ids(self) -> frozenset[str] | None:
        """The agents and messaging profiles that are ours to change; `*` stands for all, None for none named."""
        return None if self.manage is None else frozenset(each.strip() for each in self.manage.split(","))

    def forwarded_types(self) -> Selection:
        """The event types that are forwarded where `RINGBACK_FORWARD_URL` is set."""
        return Selection.parse(self.forward_types)

    def forward_secrets(self) -> tuple[Secret, ...]:
        """The keys that sign what is forwarded; none where `RINGBACK_FORWARD_SECRET` is not set."""
        return () if self.forward_secret is None else _secrets(self.forward_secret)

    def sealer(self) -> Sealer:
        """The sealer of stored data; without `RINGBACK_ENCRYPTION_KEY` it changes nothing."""
        return sealer_of(None if self.encryption_key is None else self.encryption_key.get_secret_value())

    def probe_public_key(self) -> PublicKey | None:
        """The key that may sign `ringback.probe` events, or None where probes are off."""
        signing_key = self.probe_signing_key()
        return None if signing_key is None else PublicKey(signing_key.verify_key, "probe")

    def probe_signing_key(self) -> SigningKey | None:
        """The key that signs `ringback.probe` events, or None where probes are off."""
        return None if self.probe_key is None else _signing_key(self.probe_key)


class IngressSettings(Settings):
    """Settings without the secrets that the ingress has no use for, wherever they stand."""

    @model_validator(mode="before")
    @classmethod
    def _drop_unused_secrets(cls, values: Any) -> Any:
        return {name: value for name, value in values.items() if name.upper() not in _UNUSED_BY_INGRESS}


def without_unused_by_ingress(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the secrets that the ingress has no use for, those of the SDK among them."""
    unused = _UNUSED_BY_INGRESS | _OF_THE_SDK
    return {name: value for name, value in environment.items() if name.upper() not in unused}


def load() -> Settings:
    """Read the environment and `.env`.

    Raises:
        InvalidSettings: a variable does not fit; the text names each one.
    """
    return _load(Settings)


def load_for_ingress() -> Settings:
    """Read what the ingress needs of the environment and `.env`: no API key.

    Raises:
        InvalidSettings: a variable does not fit; the text names each one.
    """
    return _load(IngressSettings)


def _load(kind: type[Settings]) -> Settings:
    try:
        return kind()
    except ValidationError as error:
        raise InvalidSettings(_explain(error)) from None
    except UnicodeDecodeError:
        raise InvalidSettings(".env must be UTF-8") from None


def unknown_variables() -> list[str]:
    """Say of names that begin like ours or Telnyx's and mean nothing where they stand, and what may be meant."""
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    return [
        f"{name} (from {source}) means nothing to Ringback{_meant(name, known)}"
        for source, names in (("the environment", os.environ), (".env", names_in_file()))
        for name in sorted(names)
        if name.upper().startswith(("RINGBACK_", "TELNYX_")) and name.upper() not in known | _OF_THE_SDK
    ]


def names_in_file() -> frozenset[str]:
    """The names that `.env` sets."""
    return frozenset(dotenv_values(ENV_FILE, interpolate=False))


def source_of(settings: Settings, name: str) -> Literal["default", "environment", ".env"]:
    """Where a setting's value comes from; `name` is that of the field."""
    if name not in settings.model_fields_set:
        return "default"
    variable = str(Settings.model_fields[name].validation_alias)
    # Names of variables are read whatever their case.
    in_environment = any(each.upper() == variable for each in os.environ)
    return ".env" if not in_environment and variable in map(str.upper, names_in_file()) else "environment"


def _told_of_known_key(variable: str, owner: str) -> str:
    """Say why a key is refused, and what to do."""
    mend = (
        "copy the account's key from Mission Control, Keys & Credentials, Public Key"
        if variable == "TELNYX_PUBLIC_KEY"
        else "make one of your own, base64 of 32 random bytes"
    )
    return (
        f"{variable} is {owner}, and anybody can sign with it: {mend}. It is taken only while RINGBACK_HOST is"
        " loopback and TELNYX_BASE_URL is a local Telnyx"
    )


def _meant(name: str, known: set[str]) -> str:
    near = get_close_matches(name.upper(), known, n=1, cutoff=0.8)
    return f": is {near[0]} meant?" if near else ": is it misspelt?"


def _explain(error: ValidationError) -> str:
    lines = (
        ": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, "))))
        for e in error.errors(include_input=False, include_url=False)
    )
    return "\n".join(lines)
