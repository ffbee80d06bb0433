"""The services behind the methods of a `Context`, in one run of one handler."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service import clock
from service.messages.rcs_capabilities import RcsCapabilities
from service.messages.reply import Replies
from service.messages.spellings import is_opted_out
from service.monitoring.notifications import notify
from service.outbound.handler_run_state import current_run, notified
from service.store.inbox.accept import NewEvent, accept, cancel

MAX_KEY = 200


@dataclass(frozen=True, slots=True)
class RunServices(Replies):
    """The worker's implementation of a context's methods. `server_time` returns milliseconds since 1970.

    Derived events are accepted, queued and remembered like Telnyx's.
    """

    server_time: Callable[[], int]

    def now(self) -> float:
        """Return the time of Redis in seconds since 1970. The clocks of workers may differ."""
        return self.server_time() / 1000

    async def opted_out(self, number: str, since: datetime | None) -> bool:
        """Return whether this number has said STOP."""
        return await is_opted_out(self.store, number, since)

    async def emit(self, event_type: str, payload: Mapping[str, Any], key: str) -> None:
        """Raise an event now, once per key."""
        await self._raise("emit", event_type, payload, key, 0.0)

    async def schedule(self, event_type: str, payload: Mapping[str, Any], after: float, key: str) -> None:
        """Raise an event after `after` seconds, once per key."""
        await self._raise("schedule", event_type, payload, key, after)

    async def cancel(self, key: str) -> None:
        """Call off a scheduled event, even before it is scheduled."""
        await cancel(self.store, _identity("schedule", key), remember=int(self.settings.retention * 1000))

    async def notify(self, cause: str, text: str, mend: str) -> None:
        """Let a person know that something needs them."""
        await notify(self.store, cause=cause, text=text, mend=mend)
        if (run := current_run.get()) is not None:
            run.remarks.append(notified(cause))

    async def rcs_capable(self, agent: str, number: str, features: Collection[str]) -> bool:
        """Return whether this agent's messages can reach this number's phone by RCS, with all of these features."""
        return await RcsCapabilities(self.telnyx, self.store).capable(agent, number, features)

    async def _raise(self, how: str, event_type: str, payload: Mapping[str, Any], key: str, delay: float) -> None:
        identity, wait = _identity(how, key), int(delay * 1000)
        event = NewEvent.derived(identity, event_type, dict(payload), how, at=clock.now(), delay=wait)
        await accept(self.store, [event])


def _identity(how: str, key: str) -> str:
    if not key or len(key) > MAX_KEY or not key.isprintable():
        raise ValueError(f"key= takes 1 to {MAX_KEY} printable characters")
    return f"{how}:{key}"
