"""The run of all checks: side by side, each within a time limit of its own, none with a traceback."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from redis.exceptions import RedisError
from telnyx import APIError

from service.doctor.deployment import Deployment, opened
from service.doctor.finding import CheckFailed, Finding, Warned
from service.outbound.errors import classify_error
from service.outbound.list_pages import ListDoesNotEnd
from service.processes.data_folder import EmbeddedServerError
from service.security.masking import describe_error
from service.settings import InvalidSettings, Settings
from service.store.connection import address_of
from service.store.redis_errors import describe_redis_error
from service.worker.load_router import CannotLoadHandlers


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `run` returns what is well, and raises what is not.

    After `seconds` it has failed. It is not tried where the check `after` has failed.
    """

    name: str
    run: Callable[[Deployment], Awaitable[str]]
    after: str | None = None
    seconds: float = 12.0


async def examine(settings: Settings, checks: Sequence[Check]) -> list[Finding]:
    """Return the findings of these checks, in their order. Nothing is sent and nothing changed."""
    running: dict[str, asyncio.Task[Finding]] = {}
    async with opened(settings) as deployment:
        for check in checks:
            first = None if check.after is None else running[check.after]
            running[check.name] = asyncio.create_task(_find(check, deployment, first))
        return list(await asyncio.gather(*running.values()))


async def _find(check: Check, deployment: Deployment, first: "asyncio.Task[Finding] | None") -> Finding:
    if first is not None and (await first).status == "failed":
        return Finding(check.name, "failed", f"not checked, since the check `{check.after}` failed: solve that first")
    try:
        async with asyncio.timeout(check.seconds):
            return Finding(check.name, "ok", await check.run(deployment))
    except Warned as warned:
        return Finding(check.name, "warning", str(warned))
    except Exception as error:  # noqa: BLE001 - one broken check must not hide the findings of the others
        return Finding(check.name, "failed", _in_words(error, check, deployment))


def _in_words(error: Exception, check: Check, deployment: Deployment) -> str:
    match error:
        case CheckFailed() | InvalidSettings() | CannotLoadHandlers() | EmbeddedServerError():
            return str(error)
        case APIError():
            return f"Telnyx: {classify_error(error).detail}"
        case ListDoesNotEnd():
            return f"Telnyx: {error}"
        case RedisError():
            return describe_redis_error(error, address_of(deployment.store.redis))
        case TimeoutError():
            return f"no answer within {check.seconds:g} s: look at the network and the load, then try again"
        case _:
            # Its own text may hold a secret or a message.
            return f"a fault of Ringback's own: {describe_error(error)}. Please report it"
