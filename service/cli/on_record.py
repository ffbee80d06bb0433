"""Putting commands into the audit log, before they change or reveal anything."""

import os
import socket
from collections.abc import Mapping
from getpass import getuser
from typing import Any

from typer.main import get_current_context  # type: ignore[attr-defined]

from service.cli.connections import with_redis
from service.cli.output import say
from service.processes.data_folder import NotRunning
from service.store.operators.audit_log import Actor, record_action

_NOT_ABOUT_IT = frozenset({"yes", "as_json", "limit"})
_NAMED = frozenset(
    {"again", "agent", "died", "event_type", "handler", "method", "number", "numbers", "only", "profile", "reason"}
    | {"action", "state"}
)
"""Parameters that name the subject of a command. Others may hold texts, codes or passwords."""


def current_actor() -> Actor:
    """Return the person who runs this command, as the operating system knows them."""
    return Actor(f"{_user()}@{socket.gethostname()}", "command")


def put_on_record(*, warn: bool = True, **about: Any) -> None:
    """Record that a person is about to carry out the current command. `about` adds to what its parameters tell.

    Where no Ringback runs here, there is no log to write to, and this warns of it.

    Raises:
        redis.exceptions.RedisError: nothing was recorded, so the command must not go on.
    """
    context = get_current_context()
    action = " ".join(context.command_path.split()[1:])
    told = {**subject_of(context.params), **about}
    try:
        with_redis(lambda store: record_action(store, current_actor(), action, told))
    except NotRunning:
        if warn:
            say("No Ringback runs here: this command is in no audit log.", err=True)


def subject_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that say what a command is about, without texts."""
    return {
        name: value
        for name, value in parameters.items()
        if name not in _NOT_ABOUT_IT
        and value not in (None, False)
        and (isinstance(value, int) or name in _NAMED or name.endswith(("id", "ids")))
    }


def _user() -> str:
    """Return the name of the user who runs this process, and of the one who became it by sudo."""
    try:
        import pwd  # noqa: PLC0415 - Windows has none

        name = pwd.getpwuid(os.geteuid()).pw_name
    except ImportError:
        name = getuser()
    except KeyError:
        name = f"uid {os.geteuid()}"
    before = os.environ.get("SUDO_USER") if name == "root" else None
    return f"{before} as {name}" if before else name
