"""Notifications: what needs a person, told by Apprise to wherever `RINGBACK_NOTIFY` says, else by the log.

Noting is one quick write to Redis; a worker tells it beside its events. So a service that is slow or away delays no
event, what is noted survives a crash, and equal causes of all workers become one message.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import orjson
import structlog
from redis.exceptions import RedisError

from service.security.masking import describe_error, mask_e164, mask_numbers
from service.settings import InvalidSettings, Settings
from service.store.cancellation import check_cancelled
from service.store.facts import notices
from service.store.facts.notices import Notice
from service.store.redis_errors import describe_cause
from service.store.store import Store

log = structlog.get_logger(__name__)

PAUSE = 1.0
NOTING = 2.0
"""Seconds that an event gives to noting; what takes longer is told by the log alone."""
SENDING = 30.0
MOST_TRIES = 10
"""Deliveries of one message, a minute apart; after that the log has it."""
LONGEST_TEXT = 500
LONGEST_CAUSE = 200


async def notify(store: Store, *, cause: str, text: str, mend: str) -> None:
    """Let a person know that something needs them; never raises for want of a Redis, and never waits for a delivery.

    `cause` names what is wrong in a few words and without ids: everything noted under one cause within five minutes
    becomes one message, headed by it. `text` says what happened, without message texts (numbers are masked here too),
    and `mend` is the command that shows or mends it. Equal texts are told once, with their number.
    """
    entry = orjson.dumps([mask_numbers(text)[:LONGEST_TEXT], mask_e164(mend)])
    try:
        async with asyncio.timeout(NOTING):
            await notices.note(store, mask_numbers(cause)[:LONGEST_CAUSE], entry)
    except (RedisError, OSError, TimeoutError) as error:
        told_here = {"cause": cause, "text": mask_numbers(text), "mend": mask_e164(mend)}
        log.warning("a notification could not be noted", **told_here, error=describe_cause(error))


class Channel(Protocol):
    """Brings a message to people."""

    async def __call__(self, title: str, body: str) -> bool:
        """Answers whether at least one of them can read it now."""


@dataclass(frozen=True)
class NotificationSender:
    """Tells what was noted; every worker has one, and each message is one's to tell."""

    store: Store
    tell: Channel

    async def keep_telling(self) -> None:
        """Go on until cancelled; an outage of Redis is waited out, a delivery that fails is repeated."""
        while True:
            try:
                await self.turn()
            except (RedisError, OSError) as error:
                log.warning("notifications wait for Redis", error=describe_cause(error))
            except Exception as error:  # noqa: BLE001 - whatever a service's plugin does, the next message may go out
                log.error("telling broke", error=describe_error(error))
            check_cancelled()
            await asyncio.sleep(PAUSE)

    async def turn(self) -> None:
        """Tell everything that is due."""
        for notice in await notices.take(self.store):
            if await self._told(notice):
                await notices.told(self.store, notice)

    async def _told(self, notice: Notice) -> bool:
        title, body = message(notice)
        try:
            async with asyncio.timeout(SENDING):
                if await self.tell(title, body):
                    return True
        except TimeoutError:
            pass
        if notice.tries < MOST_TRIES:
            log.warning("a notification was not delivered", cause=notice.cause, again_in=notices.TIMEOUT)
            return False
        log.error("a notification cannot be delivered", cause=notice.cause)
        return await _tell_the_log(title, body)


def message(notice: Notice) -> tuple[str, str]:
    """The title and the body of the message that a notice becomes."""
    paragraphs = []
    for entry, occurrences in notice.entries.items():
        text, mend = orjson.loads(entry)
        times = f" ({occurrences} times)" if occurrences > 1 else ""
        paragraphs.append(f"{text}{times}\n→ {mend}")
    if notice.others:
        paragraphs.append(f"… and {notice.others} more of the same cause")
    return f"Ringback: {notice.cause}", "\n\n".join(paragraphs)


def open_teller(settings: Settings) -> Channel:
    """The channel to the services that `RINGBACK_NOTIFY` names; the log where it is unset.

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
