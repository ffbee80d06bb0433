"""Notifications of people, by Apprise to the services of `RINGBACK_NOTIFY`, or by the log.

A handler notes one with a quick write to Redis, and a worker sends it beside its events. So a slow service delays no
event. A note survives a crash, and equal causes of all workers become one message.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import orjson
import structlog
from redis.exceptions import RedisError

from service.security.masking import describe_error, mask_e164, mask_numbers
from service.settings import InvalidSettings, Settings
from service.store.facts import notices
from service.store.facts.notices import Notice
from service.store.redis_errors import describe_cause
from service.store.store import Store, check_cancelled

log = structlog.get_logger(__name__)

NOTING = 2.0
"""Seconds for noting. A slower note goes to the log alone."""
SENDING = 30.0
MOST_TRIES = 10
"""Deliveries of one message, a minute apart. Then it goes to the log."""
LONGEST_TEXT = 500
LONGEST_CAUSE = 200

Channel = Callable[[str, str], Awaitable[bool]]
"""A function that sends a title and a body, and returns whether at least one service took them."""


async def notify(store: Store, *, cause: str, text: str, mend: str) -> None:
    """Note a notification. Never wait for a delivery, nor raise if Redis is unreachable.

    `cause` names the problem in a few words without ids. All notes of one cause within five minutes become one message
    with this title. `text` describes the event, without message texts. Numbers are masked. `mend` is the command that
    shows or solves the problem. Equal texts appear once, with their number.
    """
    entry = orjson.dumps([mask_numbers(text)[:LONGEST_TEXT], mask_e164(mend)])
    try:
        async with asyncio.timeout(NOTING):
            await notices.note(store, mask_numbers(cause)[:LONGEST_CAUSE], entry)
    except (RedisError, OSError, TimeoutError) as error:
        told_here = {"cause": cause, "text": mask_numbers(text), "mend": mask_e164(mend)}
        log.warning("a notification could not be noted", **told_here, error=describe_cause(error))


@dataclass(frozen=True)
class NotificationSender:
    """A sender of noted messages. Every worker has one, and one of them sends each message.

    The maintenance sets `due`: it sees without a request of its own that messages are.
    """

    store: Store
    tell: Channel
    due: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep_telling(self) -> None:
        """Send until cancelled. Wait while Redis is unreachable, and repeat failed deliveries."""
        while True:
            await self.due.wait()
            self.due.clear()
            try:
                await self.turn()
            except (RedisError, OSError) as error:
                log.warning("notifications wait for Redis", error=describe_cause(error))
            except Exception as error:  # noqa: BLE001 - a fault of a service's plugin must not stop later messages
                log.error("telling broke", error=describe_error(error))
            check_cancelled()

    async def turn(self) -> None:
        """Send every due message."""
        for notice in await notices.take(self.store):
            if await self._told(notice):
                await notices.record_sent(self.store, notice)

    async def _told(self, notice: Notice) -> bool:
        title, body = message(notice)
        with suppress(TimeoutError):
            async with asyncio.timeout(SENDING):
                if await self.tell(title, body):
                    return True
        if notice.tries < MOST_TRIES:
            log.warning("a notification was not delivered", cause=notice.cause, again_in=notices.TIMEOUT)
            return False
        log.error("a notification cannot be delivered", cause=notice.cause)
        return await _tell_the_log(title, body)


def message(notice: Notice) -> tuple[str, str]:
    """Return the title and the body of a notice's message."""
    paragraphs = []
    for entry, occurrences in notice.entries.items():
        text, mend, *_ = orjson.loads(entry)
        times = f" ({occurrences} times)" if occurrences > 1 else ""
        paragraphs.append(f"{text}{times}\n→ {mend}")
    if notice.others:
        paragraphs.append(f"… and {notice.others} more of the same cause")
    return f"Ringback: {notice.cause}", "\n\n".join(paragraphs)


def open_teller(settings: Settings) -> Channel:
    """Return the channel to the services of `RINGBACK_NOTIFY`, or to the log where it is unset.

    Raises:
        service.settings.InvalidSettings: the extra `notify` is not installed, or a URL names no service of Apprise.
    """
    if settings.notify is None:
        return _tell_the_log
    try:
        from service.monitoring.apprise_channel import AppriseServices  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise InvalidSettings("RINGBACK_NOTIFY needs Apprise: pip install 'ringback[notify]'") from None
    return AppriseServices(settings.notify.get_secret_value()).tell


async def _tell_the_log(title: str, body: str) -> bool:
    log.warning(title, told=body)
    return True
