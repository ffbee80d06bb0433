"""The subject of the checks: the settings, and connections to Redis and Telnyx."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from telnyx import AsyncTelnyx

from service.outbound.client import open_reader
from service.processes.data_folder import EmbeddedServerError
from service.settings import InvalidSettings, Settings
from service.store.connection import connect, locate
from service.store.store import Store

SECONDS = 10.0
"""The time limit of a command at Redis and of a request to Telnyx. Each check has a limit of its own too."""
_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment. A connection that cannot be opened is the reason, which its first user raises."""

    settings: Settings
    redis_or_reason: Store | Exception
    telnyx_or_reason: AsyncTelnyx | Exception

    @property
    def store(self) -> Store:
        """The store.

        Raises:
            service.processes.data_folder.NotRunning: `REDIS_URL` is unset and no embedded server answers.
            InvalidSettings: `RINGBACK_DATA` is open to everybody on this machine.
        """
        if isinstance(self.redis_or_reason, Exception):
            raise self.redis_or_reason
        return self.redis_or_reason

    @property
    def telnyx(self) -> AsyncTelnyx:
        """The API of Telnyx, for reading.

        Raises:
            InvalidSettings: `TELNYX_API_KEY` is not set.
        """
        if isinstance(self.telnyx_or_reason, Exception):
            raise self.telnyx_or_reason
        return self.telnyx_or_reason


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Deployment]:
    """Open the connections of a deployment. Nothing is sent until a check uses one."""
    async with AsyncExitStack() as stack:
        yield Deployment(settings, await _redis(settings, stack), await _telnyx(settings, stack))


async def _redis(settings: Settings, stack: AsyncExitStack) -> Store | Exception:
    try:
        url = locate(settings)
    except (EmbeddedServerError, InvalidSettings) as error:
        return error
    redis = await stack.enter_async_context(connect(url, timeout=SECONDS, connections=_CONNECTIONS))
    return Store.of(redis, settings)


async def _telnyx(settings: Settings, stack: AsyncExitStack) -> AsyncTelnyx | Exception:
    try:
        telnyx = await stack.enter_async_context(open_reader(settings, SECONDS))
    except InvalidSettings as error:
        return error
    # The SDK loads its parts at first use. On a busy machine that would use up the time limit of the first checks.
    _ = telnyx.messaging_profiles, telnyx.balance
    return telnyx
