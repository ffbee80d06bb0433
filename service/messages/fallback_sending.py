"""The state of a message, and the right to send an SMS in its place."""

import random
import time
from collections.abc import Mapping
from typing import NoReturn

from prometheus_client import Counter
from pydantic import ValidationError
from telnyx import APIError, AsyncTelnyx, NotFoundError

from service import clock
from service.events import Message
from service.events.consent import words_of
from service.events.message import read_message_status
from service.messages.fallback import Case, Draft, content_of, draft, request, sketch
from service.messages.links import shorteners_to_warn_of
from service.messages.sms_text import public_shorteners
from service.monitoring.labels import Labels
from service.outbound.api_call import Call, idempotency_key, name_of_key
from service.outbound.effect_rules import instead_of, not_sent_reason
from service.outbound.handler_run_state import CLEAR_FOR, Run, current_run
from service.routing import Context, Retry
from service.store.effects.rate_limits import Blocked, Deferred
from service.store.effects.send_conditions import InsteadOf, Shown
from service.store.effects.sms_budget import Room, room
from service.store.facts.consent import KeyMissing
from service.store.facts.message_states import Outlook, Prospect, Purpose, Recipient, RecipientState, ask

DOUBLE_DELIVERIES = Counter(
    "ringback_double_deliveries",
    "RCS messages that were delivered although an SMS had been sent in their place.",
    ["carrier"],
    registry=None,
)
"""Of this process; a worker's registry takes it in."""

_CARRIERS = Labels(r"[^\x00-\x1f]{1,60}", most=100)


async def look(
    ctx: Context, message_id: str, prospects: Mapping[str, Prospect | None], *, by: str
) -> Mapping[str, RecipientState]:
    """Return what is known of a message by recipient, and whether what would be sent can go, as the event `by` sees it.

    Raises:
        KeyMissing: recipients are hidden under an encryption key that is not here.
    """
    states = await _ask(ctx, message_id, prospects, "look", by)
    if (run := current_run.get()) is not None:
        outlooks = {number: each.outlook for number, each in states.items() if each.outlook is not None}
        run.absent |= {effect_name(message_id, number) for number, each in outlooks.items() if not each.known}
        if any(each.clear for each in outlooks.values()):
            run.clear_until = time.monotonic() + CLEAR_FOR
    return states


async def hold(ctx: Context, message_id: str, number: str, *, by: str) -> None:
    """Remember since when the SMS to a recipient waits: what waits on purpose does not grow too old meanwhile."""
    await _ask(ctx, message_id, {number: None}, "hold", by)


def remark_holder(ctx: Context, known: RecipientState) -> None:
    """Tell in the event's story and in the log which event holds the right to send, though it has not sent."""
    remark = f"event {known.right} holds the right to send this SMS: ringback events show {known.right}"
    ctx.log.info("right held", holder=known.right)
    if (run := current_run.get()) is not None:
        run.remarks.append(remark)


async def note_sent(ctx: Context, message_id: str, number: str, *, by: str) -> None:
    """Remember that an SMS went out, so that a delivery of the message itself can be told to be the second."""
    if not ctx.settings.dry_run:
        await _ask(ctx, message_id, {number: None}, "sent", by)


def effect_key(message_id: str, number: str) -> str:
    """Return the key of the SMS in place of a message to a number: two events of one message share it."""
    return idempotency_key("sms_fallback", message_id, number)


def effect_name(message_id: str, number: str) -> str:
    """Return the name in the ledger of the SMS in place of a message to a number."""
    return name_of_key(effect_key(message_id, number))


async def _ask(
    ctx: Context, message_id: str, prospects: Mapping[str, Prospect | None], purpose: Purpose, by: str
) -> Mapping[str, RecipientState]:
    state = await ask(
        ctx.services.store,
        message_id,
        [Recipient(number, effect_name(message_id, number), each) for number, each in prospects.items()],
        by=by,
        keep=ctx.settings.retention,
        purpose=purpose,
        at=clock.now(),
    )
    for carrier in map(_CARRIERS.of, state.doubled):
        DOUBLE_DELIVERIES.labels(carrier).inc()
        ctx.log.warning("delivered after the SMS in its place", message_id=message_id, carrier=carrier)
    return state.recipients


HELD = "SMS fallbacks are held: RINGBACK_SMS_PER_HOUR is reached"
ADVICE = "Find out why so many messages fail, or raise it"
SHORTEST_PAUSE = 60.0
SPREAD = 120.0
"""Seconds over which those that wait for the same thing look again, so that they do not all come at once."""


def prospect(ctx: Context, case: Case) -> Prospect | None:
    """Return what would be sent in place of a message; None where its rule sends nothing, or outside of a run."""
    run = current_run.get()
    if run is None or case.blocked or not case.rule.acts_on(case.occasion):
        return None
    now, wanted = clock.now(), sketch(case)
    return Prospect(
        awake=case.rule.goes_out_at(case.number, now, by=now) is not None,
        since=case.since,
        fresh_until=case.fresh_until,
        segments=_segments(wanted),
        limit=ctx.settings.sms_per_hour,
        admission=run.gate.request(_call(case, wanted), event_id=run.event_id, returning=run.returning),
    )


async def check_sending_window(ctx: Context, case: Case, known: RecipientState, *, by: str) -> str | None:
    """Let an SMS pass that may go out now; else answer why it never may, within `max_wait` of its first hold.

    Raises:
        Retry: it may, later (`quiet_hours`, `over_budget` or `encryption_key_missing`).
        service.outbound.handler_run_state.Interrupted: it may, when its turn comes or what parks it is over.
    """
    outlook, run = known.outlook, current_run.get()
    if outlook is None or run is None:
        return None
    if outlook.consent_missing:
        raise KeyMissing(outlook.consent_missing)
    if outlook.opted_out:
        return "opted_out"
    now = clock.now()
    latest = (known.held or now) + case.rule.max_wait
    opens = case.rule.goes_out_at(case.number, now, by=latest)
    if opens is None:
        return "quiet_hours"
    if opens > now:
        await hold(ctx, str(case.message.id), case.number, by=by)
        raise Retry(after=opens - now, reason="quiet_hours")
    pause = None if outlook.room is None else await _over_budget(ctx, outlook.room, _segments(sketch(case)))
    if pause is not None and now + pause > latest:
        return "over_budget"
    if pause is not None:
        await hold(ctx, str(case.message.id), case.number, by=by)
        raise Retry(after=pause, reason="over_budget")
    _wait_for_turn(case, outlook, run)
    return None


async def wait_for_budget(ctx: Context, case: Case, wanted: Draft, *, by: str) -> NoReturn:
    """Hold an SMS back whose segments others took between the look and the intent.

    Raises:
        Retry: always (`over_budget`).
    """
    name, limit = effect_name(str(case.message.id), case.number), ctx.settings.sms_per_hour
    found = await room(ctx.services.store, name, segments=wanted.segments, limit=limit)
    pause = await _over_budget(ctx, found, wanted.segments)
    await hold(ctx, str(case.message.id), case.number, by=by)
    raise Retry(after=SHORTEST_PAUSE if pause is None else pause, reason="over_budget")


def _wait_for_turn(case: Case, outlook: Outlook, run: Run) -> None:
    """End the run before Telnyx is read, where the SMS could not be sent now.

    Raises:
        service.outbound.handler_run_state.Interrupted: it may go later.
    """
    if isinstance(outlook.admission, Deferred | Blocked):
        raise run.interrupt(run.gate.refusal(_call(case, sketch(case)), outlook.admission))


async def _over_budget(ctx: Context, found: Room, segments: int) -> float | None:
    """Seconds until there may be segments again; None where they were to be had."""
    limit = ctx.settings.sms_per_hour
    if found.tell:
        await _tell(ctx, limit)
    if found.granted:
        return None
    if segments > limit:
        return float("inf")
    return max(found.again_in, SHORTEST_PAUSE) + random.uniform(0, SPREAD)


async def _tell(ctx: Context, limit: int) -> None:
    """Let a person know, by the log at once and by what `RINGBACK_NOTIFY` names."""
    ctx.log.error(HELD, advice=ADVICE, segments_per_hour=limit)
    if ctx.settings.notify is not None:
        text, mend = f"{ADVICE}: {limit} segments an hour are allowed", "ringback events list --handler sms_fallback"
        await ctx.notify(cause=HELD, text=text, mend=mend)


def _segments(wanted: Draft | None) -> int:
    """The segments of an SMS; where only Telnyx knows its text, the least."""
    return 1 if wanted is None else wanted.segments


def _call(case: Case, wanted: Draft | None) -> Call:
    """The request that would send it, as far as the limits that concern it depend on it."""
    asked = request(case, wanted) if wanted is not None else {"from_": case.rule.sender}
    return Call(
        "POST",
        "/messages",
        product="mms" if wanted is not None and wanted.type == "MMS" else "sms",
        messaging_profile_id=case.message.messaging_profile_id or None,
        sender=asked.get("from_"),
    )


async def look_up(telnyx: AsyncTelnyx, message_id: str) -> Message | None:
    """Return the message as `GET /messages/{id}` shows it; None where Telnyx does not know it, or shows no message.

    Raises:
        telnyx.APIError: Telnyx refused otherwise, or could not be reached.
    """
    try:
        answer = await telnyx.messages.retrieve(message_id)
    except NotFoundError:
        return None
    try:
        return Message.model_validate(answer.to_dict(mode="json", warnings=False).get("data"))
    except ValidationError:
        return None


async def write(ctx: Context, case: Case, shown: Message | None) -> Draft:
    """Write the SMS from what the event says, else from what Telnyx shows; warn of links that carriers block.

    Raises:
        Dead: it cannot be written; see `draft`.
        telnyx.APIError: Telnyx could not be asked which domains are the account's own.
    """
    wanted = draft(case, content_of(case.message) or content_of(shown))
    if public_shorteners(wanted.text):
        for host in await shorteners_to_warn_of(wanted.text, ctx.telnyx, ctx.services.store):
            ctx.log.warning("an SMS links to a public shortener, which carriers block", host=host, rule=case.rule.name)
    return wanted


async def send_instead(ctx: Context, case: Case, wanted: Draft, shown: Message | None) -> str | None:
    """Send the SMS; None where it was sent, else the reason that holds at the moment of its intent.

    Raises:
        telnyx.APIError: Telnyx refused.
    """
    message_id, limit, keep = str(case.message.id), ctx.settings.sms_per_hour, ctx.settings.retention
    message = InsteadOf(message_id, case.since, wanted.segments, limit, keep, _said(message_id, shown))
    try:
        with instead_of(message):
            await ctx.telnyx.messages.send(**request(case, wanted), idempotency_key=effect_key(message_id, case.number))
    except APIError as error:
        if (reason := not_sent_reason(error)) is None:
            raise
        return reason
    return None


def _said(message_id: str, shown: Message | None) -> Shown | None:
    """Read what Telnyx shows of a message as an event of its end would tell it."""
    if shown is None:
        return None
    payload = {**shown.model_dump(by_alias=True), "id": message_id}
    state = read_message_status("message.finalized", payload)
    words = words_of("message.finalized", payload, None, now=clock.now())
    return None if state is None else Shown(state, tuple(words))
