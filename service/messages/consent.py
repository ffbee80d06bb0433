"""Consent: what an inbound message says about being written to."""

from typing import Literal

from redis.asyncio import Redis

from service import clock
from service.events import Message
from service.store.consent import record
from service.store.keys import Keys

OPT_OUT_WORDS = frozenset({"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
OPT_IN_WORDS = frozenset({"START", "UNSTOP"})
HELP_WORDS = frozenset({"HELP", "INFO"})


def said_about_consent(message: Message) -> Literal["out", "in"] | None:
    """Whether an inbound message opts out or in.

    Telnyx marks the keywords that it answered itself with `autoresponse_type` (SDK, `MessagingInboundMessagePayload`);
    over RCS, or where its own answers are off, the words and postbacks speak for themselves.
    """
    marked = (message.autoresponse_type or "").upper()
    words = _words(message)
    if marked == "STOP" or words & OPT_OUT_WORDS:
        return "out"
    if marked in {"START", "UNSTOP"} or words & OPT_IN_WORDS:
        return "in"
    return None


def answered_by_telnyx(message: Message) -> bool:
    """Whether an inbound message is a keyword (STOP, START, HELP …) that no handler should answer."""
    return (
        message.autoresponse_type is not None
        or said_about_consent(message) is not None
        or bool(_words(message) & HELP_WORDS)
    )


async def note_stop(redis: "Redis", keys: Keys, number: str) -> None:
    """Record an opt-out that Telnyx told us of (error 40300)."""
    await record(redis, keys, number, "out", at=clock.now())


def _words(message: Message) -> set[str]:
    texts = [message.said]
    response = message.body.suggestion_response if message.body else None
    if response:
        texts += [response.get("text"), response.get("postback_data")]
    return {" ".join(text.upper().split()).strip(".! ") for text in texts if isinstance(text, str)}
