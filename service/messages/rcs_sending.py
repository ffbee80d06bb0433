"""Sending one RCS message, and following it to its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from telnyx import AsyncTelnyx, omit
from telnyx.types.messages.rc_send_params import SMSFallback
from telnyx.types.rcs_agent_message_param import ContentMessage

from service.events.message import REACHED

FAILED = frozenset({"delivery_failed", "sending_failed", "expired"})
"""Statuses in which a message has ended without reaching its recipient. Source: OpenAPI, `to[].status`."""
ENDED = FAILED | REACHED | {"delivery_unconfirmed"}
"""Statuses after which nothing more comes, but for a `read`. Source: OpenAPI, `to[].status`."""

_PATIENT = 4
"""Repetitions by the SDK: safe, since a send bears a key that they share, and the rest only reads."""
_LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class RcsDraft:
    """A message to send. `content` is a content message, `fallback` the SMS that Telnyx sends where RCS cannot."""

    agent: str
    to: str
    messaging_profile_id: str
    content: ContentMessage
    fallback: SMSFallback | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a message has come, and by which channel: a fallback may have made an SMS of it."""

    status: str
    channel: str

    @property
    def ended(self) -> bool:
        """Whether it goes no further."""
        return self.status in ENDED

    @property
    def reached(self) -> bool:
        """Whether it has arrived."""
        return self.status in REACHED


async def send(telnyx: AsyncTelnyx, draft: RcsDraft, *, idempotency_key: str) -> str:
    """Send it once, even if an answer is lost on the way, and return the message's id.

    Raises:
        telnyx.APIError: Telnyx refused, or could not be reached in several tries.
    """
    answer = await telnyx.with_options(max_retries=_PATIENT).messages.rcs.send(
        agent_id=draft.agent,
        to=draft.to,
        messaging_profile_id=draft.messaging_profile_id,
        agent_message={"content_message": draft.content},
        sms_fallback=draft.fallback or omit,
        idempotency_key=idempotency_key,
    )
    return str(answer.data.id) if answer.data else ""


async def follow(telnyx: AsyncTelnyx, message_id: str, *, seconds: float, tell: Callable[[Progress], None]) -> Progress:
    """Poll a message until it has ended, for `seconds` at most. Call `tell` with each step, and return the last one.

    Raises:
        telnyx.APIError: Telnyx refused, or could not be reached in several tries.
    """
    seen: Progress | None = None
    deadline, pause = asyncio.get_running_loop().time() + seconds, 0.1
    while True:
        now = await _look(telnyx, message_id)
        if now != seen:
            tell(now)
        if now.ended or asyncio.get_running_loop().time() >= deadline:
            return now
        seen = now
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _look(telnyx: AsyncTelnyx, message_id: str) -> Progress:
    answer = await telnyx.with_options(max_retries=_PATIENT).messages.retrieve(message_id)
    message = answer.data
    statuses = [to.status for to in (message.to if message else None) or () if not isinstance(to, str)]
    return Progress(str(statuses[0] if statuses else "unknown"), str((message and message.type) or "RCS"))
