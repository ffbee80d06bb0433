"""`ringback up --dev --simulator`: a local Telnyx beside the other processes, and settings that lead to it."""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from service.cli.signed_delivery import local_webhooks
from service.processes import parent_death
from service.processes.sockets import is_free
from service.processes.supervisor import Child
from service.security.telnyx_signature import public_key_text, simulator_key
from service.settings import InvalidSettings, Settings
from service.settings.simulated_data import is_simulated, mark
from service.testing.samples import OUR_NUMBER

HOST = "127.0.0.1"
PORT = 12_111
API_KEY = "KEY-of-nobody"
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class LocalTelnyx:
    """The local Telnyx on a port of this machine."""

    port: int

    @property
    def base_url(self) -> str:
        """The address of the API."""
        return f"http://{HOST}:{self.port}/v2"

    def configure(self, settings: Settings) -> Settings:
        """Return settings by which Ringback calls it, accepts its webhooks and heals. A sender is one of its own.

        A sender or a policy that is set stays.
        """
        keys = [settings.public_key, public_key_text(simulator_key(0))]
        armed = settings.sms_from or settings.policy
        return settings.model_copy(
            update={
                "public_key": ",".join(filter(None, keys)),
                "api_key": SecretStr(API_KEY),
                "base_url": self.base_url,
                "sms_from": settings.sms_from if armed else OUR_NUMBER,
                "public_url": local_webhooks(settings),
            }
        )

    def child(self, ringback: Sequence[str], webhook_url: str) -> Child:
        """Return its process."""
        options = ("--port", str(self.port), "--webhook-url", webhook_url)
        environment = parent_death.environment_of_child(os.environ)
        ready = partial(_listens, self.port)
        return Child("simulator", (*ringback, "simulator", *options), GRACE_SECONDS, environment, ready=ready)


def variables_of(settings: Settings) -> dict[str, str]:
    """Return the variables by which any command reaches the local Telnyx of `LocalTelnyx.configure`."""
    return {
        "TELNYX_API_KEY": API_KEY,
        "TELNYX_BASE_URL": settings.base_url,
        "RINGBACK_PUBLIC_URL": settings.public_url or "",
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
    marked = is_simulated(settings.data)
    if simulated and not marked:
        if _holds_events(settings.data):
            raise InvalidSettings(
                f"{settings.data} holds events of Telnyx, and --simulator would handle them there:"
                " set RINGBACK_DATA to another folder"
            )
        mark(settings.data, {})
    if not simulated and settings.redis_url is None and marked:
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
