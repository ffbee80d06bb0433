"""Everything that happened to one number, in one line of time. No number stands in a URL: a token stands for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.dashboard.event_view import message_event
from service.dashboard.number_token import number_of, token_of
from service.dashboard.pages.optouts import number_in
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit, path_of
from service.events import Message
from service.events.phone_number import canonical_number
from service.messages.spellings import spelled_consent
from service.outbound.phone_numbers import spellings_of
from service.security.masking import gives_away, mask_number, plain_word
from service.security.numbers import digests_of
from service.store.effects.ledger import Entry, effects_of
from service.store.facts.consent import Consent, Opposed
from service.store.inbox.accept import find_all
from service.store.inbox.event_pages import event_page
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter
from service.store.operators.sessions import number_secret
from service.store.place import Place

SHOWN = 40
SECONDS = 0.04
SENDS = "/messages"
_HOUSEKEEPING = frozenset({"agent_webhooks", "campaign_proof", "delivery_alerts", "rcs_capabilities"})
"""Handlers that look at every message, and decide nothing about its recipient."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to a number, `at` milliseconds since 1970, with links to more, by name."""

    at: int
    kind: str
    text: str
    handler: str = ""
    links: tuple[tuple[str, str], ...] = ()


async def ask(_: Visit) -> View:
    """Show the form for a number."""
    return View("number_form")


async def find(visit: Visit) -> Response:
    """Lead to the page of the number in the form."""
    number = await number_in(visit, await visit.form())
    return visit.go_to(path_of("numbers", token_of(number, await number_secret(visit.store))))


async def number(visit: Visit) -> View:
    """Show what happened to a number, the latest first."""
    token = visit.request.path_params["token"]
    known = number_of(token, await number_secret(visit.store))
    if known is None:
        raise HTTPException(404, "This address stands for no number. Enter the number once more.")
    after = Place.parse(visit.query("after"))
    spellings = spellings_of(known)
    wanted = EventFilter(about=tuple(each for one in spellings for each in digests_of(one, visit.store.encryption)))
    page = await event_page(visit.store, wanted, limit=SHOWN, seconds=SECONDS, after=after)
    records = await find_all(visit.store, [record.id for record in page.records])
    consent = await spelled_consent(visit.store, known)
    lines = [] if after else list(_said(consent))
    for record in records:
        lines += _of_event(record, spellings)
        lines += _sent(record, await _effects(visit, record))
    data = {
        "shown": mask_number(known),
        "token": token,
        "consent": consent,
        "in_force": consent.in_force,
        "lines": sorted(lines, key=lambda line: line.at, reverse=True),
        "next": page.next,
        "is_full": len(page.records) >= SHOWN,
        "after": after,
    }
    return View("number", data, live=after is None)


async def _effects(visit: Visit, record: EventRecord) -> list[Entry]:
    """Return the effects of an event, without a question to Redis where no handler can have had one."""
    acted = any(not one.is_discarded and one.state != "pending" for one in record.handlers.values())
    return await effects_of(visit.store, record.id) if acted else []


def _of_event(record: EventRecord, spellings: Sequence[str]) -> Iterator[Happening]:
    about = message_event(record)
    text = record.type if about is None else f"{record.type}: {_in_words(about.payload, spellings)}"
    links = [("event", path_of("events", record.id))]
    if about is not None and about.payload.id and not gives_away(about.payload.id):
        links.append(("message", path_of("messages", about.payload.id)))
    yield Happening(record.received_at, "message", text, links=tuple(links))
    for name, one in record.handlers.items():
        if one.ended and one.reason and (one.state == "dead" or name not in _HOUSEKEEPING):
            at = one.ended_at or record.ended_at or record.received_at
            yield Happening(at, "dead" if one.state == "dead" else "run", f"{one.state} ({one.reason})", handler=name)


def _in_words(message: Message, spellings: Sequence[str]) -> str:
    """Return the direction, the channel and the number's own status."""
    statuses = [each.status for each in message.to if each.status and canonical_number(each.phone_number) in spellings]
    words = [message.direction, message.type, *(statuses if message.direction == "outbound" else ())]
    return " ".join(plain_word(word) for word in words if word) or "a message"


def _sent(record: EventRecord, effects: list[Entry]) -> Iterator[Happening]:
    for entry in effects:
        if entry.path.startswith(SENDS):
            at = entry.sent[0].at if entry.sent else entry.first_at or record.received_at
            answer = f", answered {entry.status}" if entry.status else ""
            yield Happening(at, "effect", f"{entry.method} {entry.path}: {entry.state}{answer}", handler=entry.handler)


def _said(consent: Consent) -> Iterator[Happening]:
    for by, each in (("the person", consent.said), ("an operator", consent.put)):
        yield from _word(by, each)


def _word(by: str, said: Opposed) -> Iterator[Happening]:
    if said.out_at is not None:
        yield Happening(int(said.out_at * 1000), "consent", f"opted out by {by} ({said.source})")
    if said.in_at is not None:
        yield Happening(int(said.in_at * 1000), "run", f"opted in by {by}")


PAGES = (
    Page("/numbers", ask),
    Page("/numbers", find, methods=("POST",)),
    Page("/numbers/{token}", number),
)
