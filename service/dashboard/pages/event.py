"""One event: its timeline, its handlers, each request to Telnyx with its answer, and its body."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from service import clock
from service.dashboard.actions import on_record
from service.dashboard.event_rows import rows_of
from service.dashboard.event_view import EventView, body_of, look_at, message_event, numbers_of, texts_of, why_no_body
from service.dashboard.number_token import token_of
from service.dashboard.rendering import utc
from service.dashboard.routes import Page
from service.dashboard.timeline import in_doubt
from service.dashboard.visit import View, Visit, path_of
from service.events.nested_json import dump_json, for_machines
from service.messages.explanation import explain
from service.messages.policy_file import InvalidPolicy, policy_of
from service.security.masking import gives_away, mask_number, mask_numbers
from service.store.inbox.dead_letters import read_drop
from service.store.operators.sessions import number_secret

_EXPLAINED = ("message.sent", "message.finalized", "message.read")


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a page about something that an event names."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Explained:
    """The decision of the policy on one recipient, for people."""

    to: str
    verdict: str
    reason: str
    why: str
    rule: str | None


async def event(visit: Visit) -> View:
    """Show an event, numbers masked and texts hidden."""
    return await _view(visit, visit.request.path_params["event_id"], reveal=False)


async def reveal(visit: Visit) -> View:
    """Show an event with its numbers and texts. That is on record before it is shown."""
    event_id = (await visit.form()).get("event_id", "")
    await on_record(visit, "events show", {"event_id": event_id, "reveal": True})
    return await _view(visit, event_id, reveal=True)


async def _view(visit: Visit, event_id: str, *, reveal: bool) -> View:
    found = await look_at(visit.store, event_id)
    if found is None:
        raise HTTPException(404, await _why_none(visit, event_id))
    body = body_of(found.record, reveal=reveal)
    data = {
        "record": found.record,
        "row": rows_of([found.record])[0],
        "lines": found.lines,
        "effects": [(entry, in_doubt(entry), texts_of(entry) if reveal else {}) for entry in found.effects],
        "doubt": found.record.state == "dead" and any(map(in_doubt, found.effects)),
        "body": None if body is None else dump_json(for_machines(body), indent=True).decode(),
        "why_no_body": why_no_body(found.record),
        "links": await _links(visit, found, reveal=reveal),
        "explained": _explained(visit, found, reveal=reveal),
        "revealed": reveal,
    }
    return View("event", data, live=not reveal)


async def _why_none(visit: Visit, event_id: str) -> str:
    dropped = await read_drop(visit.store, event_id)
    if dropped is None:
        return "There is no event with this id. It may have expired."
    return f"{mask_numbers(dropped.by)} dropped this event on {utc(dropped.at)} UTC. All of its data is gone."


async def _links(visit: Visit, found: EventView, *, reveal: bool) -> list[Link]:
    about = message_event(found.record)
    if about is None:
        return []
    message, secret = about.payload, await number_secret(visit.store)
    links = [
        Link(number if reveal else mask_number(number), path_of("numbers", token_of(number, secret)))
        for number in numbers_of(message)
    ]
    if message.id and not gives_away(message.id):
        links.append(Link("its message", path_of("messages", message.id)))
    return links


def _explained(visit: Visit, found: EventView, *, reveal: bool) -> Sequence[Explained]:
    """Return the policy's decision on an SMS in place of a message, at the time of the event's arrival."""
    about = message_event(found.record)
    if about is None or about.type not in _EXPLAINED or about.payload.type != "RCS":
        return ()
    try:
        policy = policy_of(visit.settings.policy, visit.settings.sms_from)
    except InvalidPolicy:
        return ()
    at = min(found.record.received_at / 1000, clock.now())
    return [
        Explained(
            "" if each.number is None else each.number if reveal else mask_number(each.number),
            each.verdict,
            each.reason,
            each.why,
            each.rule,
        )
        for each in explain(policy, about, at)
    ]


PAGES = (
    Page("/reveal", reveal, role="revealer", methods=("POST",)),
    Page("/events/{event_id:path}", event),
)
