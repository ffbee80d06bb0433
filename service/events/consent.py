"""What an inbound message says about being written to. Pure."""

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.events.message import Message

Said = Literal["out", "in"]

OPT_OUT_WORDS = frozenset({"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
OPT_IN_WORDS = frozenset({"START", "UNSTOP"})
HELP_WORDS = frozenset({"HELP", "INFO"})
"""Telnyx's own keywords. Source: Telnyx's page on advanced opt-in and opt-out."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a number about being written to; `at` is seconds since 1970, None where nothing says when."""

    number: str
    said: Said
    at: float | None

    def __repr__(self) -> str:
        return f"Word(said={self.said!r})"


def said_about_consent(message: Message, also: Collection[str] = ()) -> Said | None:
    """Whether an inbound message opts out or in; `also` are further opt-out words, in capitals.

    Telnyx marks the keywords that it answered itself with `autoresponse_type` (SDK, `MessagingInboundMessagePayload`);
    over RCS, or where its own answers are off, the words and postbacks speak for themselves. Who says both opts out.
    """
    marked = (message.autoresponse_type or "").upper()
    words = _words(message)
    if marked == "STOP" or words & OPT_OUT_WORDS or words & set(also):
        return "out"
    if marked in OPT_IN_WORDS or words & OPT_IN_WORDS:
        return "in"
    return None


def word_of(message: Message, occurred_at: datetime | None, also: Collection[str] = ()) -> Word | None:
    """What an inbound message says about consent, by whom and when; None where it says nothing that can be heeded.

    A START that bears no time lifts nothing: it may have been said before the STOP that it would undo.
    """
    said = said_about_consent(message, also)
    if said is None or message.from_.phone_number is None or message.direction == "outbound":
        return None
    moment = message.received_at or occurred_at
    if moment is None and said == "in":
        return None
    return Word(message.from_.phone_number, said, moment.timestamp() if moment else None)


def answered_by_telnyx(message: Message) -> bool:
    """Whether an inbound message is a keyword (STOP, START, HELP …) that no handler should answer."""
    return (
        message.autoresponse_type is not None
        or said_about_consent(message) is not None
        or bool(_words(message) & HELP_WORDS)
    )


def _words(message: Message) -> set[str]:
    texts = [message.said]
    response = message.body.suggestion_response if message.body else None
    if response:
        postback = response.get("postback_data")
        texts += [response.get("text"), postback, _decoded(postback)]
    return {" ".join(text.upper().split()).strip(" .!\"'") for text in texts if isinstance(text, str)}


def _decoded(postback: object) -> str | None:
    """Postbacks are sent as base64 (OpenAPI `RCSReply`) and published samples bring them back plain: both are read."""
    if not isinstance(postback, str):
        return None
    try:
        return base64.b64decode(postback, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
