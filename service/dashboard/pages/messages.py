"""One message: the state of each recipient, and every event about it."""

from dataclasses import dataclass

from starlette.responses import Response

from service.dashboard.event_rows import rows_of
from service.dashboard.event_view import message_event, numbers_of
from service.dashboard.number_token import token_of
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit, path_of
from service.security.masking import mask_number
from service.store.facts.recipients import KnownRecipient, known_message
from service.store.inbox.accept import find_all, message_digests
from service.store.inbox.event_pages import event_page
from service.store.inbox.search import EventFilter
from service.store.operators.sessions import number_secret
from service.store.place import Place

SHOWN = 40
SECONDS = 0.04


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A recipient for people: the masked number with the path of its page, and what is known."""

    shown: str
    path: str
    known: KnownRecipient


async def find(visit: Visit) -> View | Response:
    """Show the form for a message's id, or lead to the page of the one that was given."""
    message_id = visit.query("id")
    return visit.go_to(path_of("messages", message_id)) if message_id else View("message_form")


async def message(visit: Visit) -> View:
    """Show a message."""
    message_id = visit.request.path_params["message_id"]
    after = Place.parse(visit.query("after"))
    wanted = EventFilter(message=message_digests(message_id, visit.store.encryption))
    page = await event_page(visit.store, wanted, limit=SHOWN, seconds=SECONDS, after=after)
    records = await find_all(visit.store, [each.id for each in page.records])
    about = [found for record in records if (found := message_event(record))]
    numbers = dict.fromkeys(number for each in about for number in numbers_of(each.payload))
    known = await known_message(visit.store, message_id, numbers)
    secret = await number_secret(visit.store)
    data = {
        "message_id": message_id,
        "known": known,
        "recipients": [_row(each, secret) for each in known.recipients],
        "rows": rows_of(page.records),
        "next": page.next,
        "after": after,
        "kinds": sorted({word for each in about for word in (each.payload.direction, each.payload.type) if word}),
    }
    return View("message", data, live=after is None)


def _row(known: KnownRecipient, secret: bytes) -> RecipientRow:
    if known.number is None:
        return RecipientRow("a hidden number", "", known)
    return RecipientRow(mask_number(known.number), path_of("numbers", token_of(known.number, secret)), known)


PAGES = (Page("/messages", find), Page("/messages/{message_id:path}", message))
