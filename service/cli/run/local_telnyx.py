"""`ringback up --dev --simulator`: a local Telnyx beside the other processes, and settings that lead to it."""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from service.processes import parent_death
from service.processes.sockets import is_free
from service.processes.supervisor import Child
from service.security.telnyx_signature import public_key_text, simulator_key
from service.settings import InvalidSettings, Settings
from service.testing.samples import OUR_NUMBER

HOST = "127.0.0.1"
PORT = 12_111
API_KEY = "KEY-of-nobody"
GRACE_SECONDS = 5.0
_MARK = "simulator"
"""The file that marks a data folder whose events are the local Telnyx's."""


@dataclass(frozen=True)
class LocalTelnyx:
    """The local Telnyx on a port of this machine."""

    port: int

    @property
    def base_url(self) -> str:
        """The address of the API."""
        return f"http://{HOST}:{self.port}/v2"

    def configure(self, settings: Settings) -> Settings:
        """Return settings by which Ringback calls it, and accepts its webhooks. Without a sender, one of its own."""
        keys = [settings.public_key, public_key_text(simulator_key(0))]
        armed = settings.sms_from or settings.policy
        return settings.model_copy(
            update={
                "public_key": ",".join(filter(None, keys)),
                "api_key": SecretStr(API_KEY),
                "base_url": self.base_url,
                "sms_from": settings.sms_from if armed else OUR_NUMBER,
            }
        )

    def child(self, ringback: Sequence[str], webhook_url: str) -> Child:
        """Return its process."""
        options = ("--port", str(self.port), "--webhook-url", webhook_url)
        environment = parent_death.environment_of_child(os.environ)
        ready = partial(_listens, self.port)
        return Child("simulator", (*ringback, "simulator", *options), GRACE_SECONDS, environment, ready=ready)


def variables_of(settings: Settings) -> dict[str, str]:
    """Return the variables by which the other processes get the settings of `LocalTelnyx.configure`."""
    api_key = settings.api_key.get_secret_value() if settings.api_key is not None else ""
    return {
        "TELNYX_API_KEY": api_key,
        "TELNYX_BASE_URL": settings.base_url,
        "RINGBACK_SMS_FROM": settings.sms_from or "",
    }


def choose_port() -> LocalTelnyx:
    """Return a local Telnyx on its usual port, or on a free one where that is taken."""
    if is_free(HOST, PORT):
        return LocalTelnyx(PORT)
    with socket.create_server((HOST, 0)) as listener:
        return LocalTelnyx(int(listener.getsockname()[1]))


def claim_data(settings: Settings, *, simulated: bool) -> None:
    """Keep apart what Telnyx and the local Telnyx tell: handlers would send for events of one at the other.

    Raises:
        InvalidSettings: the data folder holds events of the other one, or `REDIS_URL` is set with the local Telnyx.
    """
    if simulated and settings.redis_url is not None:
        raise InvalidSettings("--simulator uses an embedded server, and REDIS_URL is set: leave one of them out")
    mark = settings.data / _MARK
    if simulated and not mark.exists():
        if _holds_events(settings.data):
            raise InvalidSettings(
                f"{settings.data} holds events of Telnyx, and --simulator would handle them there:"
                " set RINGBACK_DATA to another folder"
            )
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch(mode=0o600)
    if not simulated and settings.redis_url is None and mark.exists():
        raise InvalidSettings(
            f"{settings.data} holds events of the simulator: add --dev --simulator, set RINGBACK_DATA to another"
            " folder, or remove this one"
        )


def _holds_events(data: Path) -> bool:
    return (data / "appendonlydir").exists()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
