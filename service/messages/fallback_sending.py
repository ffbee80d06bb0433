"""The sending of an SMS in place of a message: state, sending window, read at Telnyx, send."""

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from prometheus_client import Counter
from telnyx import APIError, APIResponseValidationError, AsyncTelnyx, NotFoundError

from service import clock
from service.events import Message
from service.events.consent import words_of
from service.events.event import parse_json
from service.events.message import read_message_status
from service.messages.fallback import Case, Draft, content_of, draft, draft_of_event, request
from service.messages.links import shorteners_to_warn_of
from service.messages.sms_text import public_shorteners
from service.monitoring.counters import Labels
from service.outbound.api_call import Call, idempotency_key, name_of_key
from service.outbound.effect_rules import instead_of, not_sent_reason
from service.outbound.errors import TelnyxResponse, is_object
from service.outbound.handler_run_state import CLEAR_FOR, current_run
from service.outcome import Retry
from service.routing import Context
from service.store.effects.rate_limits import Blocked, Deferred, Room, room
from service.store.facts import message_states
from service.store.facts.consent import KeyMissing

DOUBLE_DELIVERIES = Counter(
    "ringback_double_deliveries",
    "Messages that were delivered although an SMS had been sent in their place.",
    ["carrier"],
    registry=None,
)
"""Of this process. A worker's registry takes it in."""
HELD = "SMS fallbacks are held: RINGBACK_SMS_PER_HOUR is reached"
ADVICE = "Find out why so many messages fail, or raise it"
MIN_PAUSE = 60.0
SPREAD = 120.0
"""Seconds over which waiting SMS look again, so that they do not all come at once."""

_CARRIERS = Labels(r"[^\x00-\x1f]{1,60}", most=100)


@dataclass(frozen=True)
class Fallback:
    """The SMS in place of one message to one recipient, for the event `by`."""

    ctx: Context
    case: Case
    state: message_states.RecipientState
    by: str

    async def send(self, *, against: str | None = None) -> str | None:
        """Send the SMS, or return why not.

        With a reason `against` it, one that was perhaps sent is looked up at Telnyx, and not sent again.
        Whether it has to wait is known before Telnyx is read. The script that writes the intent asks everything again,
        and takes the state that Telnyx shows into account.

        Raises:
            Retry: it may go later (`quiet_hours`, `over_budget` or `encryption_key_missing`).
            Dead: it cannot be written. See `draft`.
            telnyx.APIError: Telnyx refused, or could not be reached.
            Interrupted: it may go when its turn comes, or its block is lifted.
        """
        shown, ask_a_person = None, self.state.perhaps and self.ctx.settings.resend == "never"
        if against is None and not (self.state.sent or ask_a_person):
            against = await self.check_window()
        if against is not None and not self.state.perhaps:
            return against
        if not self.state.sent or not content_of(self.case.message):
            shown = await read_message_at_telnyx(self.ctx.telnyx, self._message_id)
        sms = await self._write(shown)
        reason = await self._post(sms, shown, against)
        if reason == "over_budget" and against is None:
            await self._wait_for_budget(sms)
        if reason is None and not self.ctx.settings.dry_run:
            # So that a delivery of the message itself is known to be the second.
            await self._note("sent")
        return reason

    async def check_window(self) -> str | None:
        """Return why the SMS never may go out within `max_wait` of its first hold. None: it may go now."""
        checked, run, case = self.state.preflight, current_run.get(), self.case
        if checked is None or run is None:
            return None
        if checked.consent_missing:
            raise KeyMissing(checked.consent_missing)
        if checked.opted_out:
            return "opted_out"
        now, latest = clock.now(), self._latest()
        opens = case.rule.goes_out_at(case.number, now, by=latest)
        if opens is None:
            return "quiet_hours"
        if opens > now:
            await self._hold(opens - now, "quiet_hours")
        sms = draft_of_event(case)
        pause = None if checked.room is None else await self._pause(checked.room, _segments(sms))
        if pause is not None and now + pause > latest:
            return "over_budget"
        if pause is not None:
            await self._hold(pause, "over_budget")
        if isinstance(checked.admission, Deferred | Blocked):
            # The run ends before Telnyx is read: the SMS could not be sent now.
            raise run.interrupt(run.gate.refusal(_call(case, sms), checked.admission))
        return None

    def remark_holder(self) -> None:
        """Note in the timeline and in the log which event holds the right to send, though it has not sent."""
        holder = self.state.right
        self.ctx.log.info("right held", holder=holder)
        if (run := current_run.get()) is not None:
            run.remarks.append(f"event {holder} holds the right to send this SMS: ringback events show {holder}")

    async def _wait_for_budget(self, sms: Draft) -> None:
        """Hold an SMS whose segments others took between the preflight and the intent, if it can have them in time."""
        name, limit = effect_name(self._message_id, self.case.number), self.ctx.settings.sms_per_hour
        found = await room(self.ctx.services.store, name, segments=sms.segments, limit=limit)
        pause = await self._pause(found, sms.segments) or MIN_PAUSE
        if clock.now() + pause <= self._latest():
            await self._hold(pause, "over_budget")

    def _latest(self) -> float:
        """Return until when it may wait for quiet hours and for the budget (seconds since 1970)."""
        return (self.state.held or clock.now()) + self.case.rule.max_wait

    async def _hold(self, seconds: float, reason: str) -> NoReturn:
        """Wait, and remember since when: what waits on purpose does not grow too old meanwhile."""
        await self._note("hold")
        raise Retry(after=seconds, reason=reason)

    async def _note(self, purpose: message_states.Purpose) -> None:
        await _read_state(self.ctx, self._message_id, {self.case.number: None}, purpose, self.by)

    async def _pause(self, found: Room, segments: int) -> float | None:
        """Return the seconds until there may be segments again, or None where there are some."""
        limit = self.ctx.settings.sms_per_hour
        if found.tell:
            self.ctx.log.error(HELD, advice=ADVICE, segments_per_hour=limit)
            if self.ctx.settings.notify is not None:
                text = f"{ADVICE}: {limit} segments an hour are allowed"
                await self.ctx.notify(cause=HELD, text=text, mend="ringback events list --handler sms_fallback")
        if found.granted:
            return None
        return float("inf") if segments > limit else max(found.again_in, MIN_PAUSE) + random.uniform(0, SPREAD)

    async def _write(self, shown: Mapping[str, Any] | None) -> Draft:
        """Write the SMS from the event's content, else from Telnyx's. Warn of links that carriers block."""
        sms = draft(self.case, content_of(self.case.message) or content_of(_said_in(shown)))
        if public_shorteners(sms.text):
            for host in await shorteners_to_warn_of(sms.text, self.ctx.telnyx, self.ctx.services.store):
                warning = "an SMS links to a public shortener, which carriers block"
                self.ctx.log.warning(warning, host=host, rule=self.case.rule.name)
        return sms

    async def _post(self, sms: Draft, shown: Mapping[str, Any] | None, against: str | None) -> str | None:
        """Send the SMS. Return the reason against it at the moment of its intent, if any."""
        settings, message_id = self.ctx.settings, self._message_id
        limit, keep, shown_state = settings.sms_per_hour, settings.retention, _shown_state(message_id, shown)
        key = effect_key(message_id, self.case.number)
        try:
            with instead_of(
                message_states.InsteadOf(
                    message_id, self.case.since, sms.segments, limit, keep, shown_state, self.case.carrier, against
                )
            ):
                await self.ctx.telnyx.messages.send(**request(self.case, sms), idempotency_key=key)
        except APIError as error:
            if (reason := not_sent_reason(error)) is None:
                raise
            return reason
        return None

    @property
    def _message_id(self) -> str:
        return str(self.case.message.id)


async def preflight(
    ctx: Context, message_id: str, selected: Iterable[Case], *, by: str
) -> Mapping[str, message_states.RecipientState]:
    """Return the state of a message by recipient for the event `by`, and whether an SMS could go now.

    Raises:
        KeyMissing: recipients are hidden under an encryption key that is not here.
    """
    states = await _read_state(ctx, message_id, {case.number: _planned(ctx, case) for case in selected}, "read", by)
    if (run := current_run.get()) is not None:
        checked = {number: each.preflight for number, each in states.items() if each.preflight is not None}
        run.absent |= {effect_name(message_id, number) for number, each in checked.items() if not each.known}
        if any(each.clear for each in checked.values()):
            run.clear_until = time.monotonic() + CLEAR_FOR
    return states


async def read_message_at_telnyx(telnyx: AsyncTelnyx, message_id: str) -> dict[str, Any] | None:
    """Return the message as `GET /messages/{id}` shows it, or None where Telnyx does not know it, or shows no message.

    It is read as it came: a field that fits no model must not hide a delivery.

    Raises:
        telnyx.APIError: Telnyx refused otherwise, could not be reached, or the answer is no JSON object.
    """
    try:
        answer = await telnyx.messages.with_raw_response.retrieve(message_id)
    except NotFoundError:
        return None
    response = answer.http_response
    if not is_object(TelnyxResponse(response.status_code, body=response.content)):
        # Such as the page of a proxy. It says nothing of the message, so nothing may be sent on its word.
        raise APIResponseValidationError(response, None)
    data = parse_json(response.content).get("data")
    return data if isinstance(data, dict) else None


def effect_key(message_id: str, number: str) -> str:
    """Return the key of the SMS in place of a message. Two events of one message share it."""
    return idempotency_key("sms_fallback", message_id, number)


def effect_name(message_id: str, number: str) -> str:
    """Return the name in the ledger of the SMS in place of a message to a number."""
    return name_of_key(effect_key(message_id, number))


def _planned(ctx: Context, case: Case) -> message_states.PlannedSend | None:
    """Return the send in place of a message, or None where its rule sends nothing, or outside of a run."""
    run = current_run.get()
    if run is None or case.blocked or not case.rule.acts_on(case.occasion):
        return None
    now, sms = clock.now(), draft_of_event(case)
    return message_states.PlannedSend(
        awake=case.rule.goes_out_at(case.number, now, by=now) is not None,
        since=case.since,
        fresh_until=None if case.since is None else case.since + case.rule.max_age,
        segments=_segments(sms),
        limit=ctx.settings.sms_per_hour,
        admission=run.gate.request(_call(case, sms), event_id=run.event_id, returning=run.returning),
    )


async def _read_state(
    ctx: Context,
    message_id: str,
    planned: Mapping[str, message_states.PlannedSend | None],
    purpose: message_states.Purpose,
    by: str,
) -> Mapping[str, message_states.RecipientState]:
    state = await message_states.read_state(
        ctx.services.store,
        message_id,
        [message_states.Recipient(number, effect_name(message_id, number), each) for number, each in planned.items()],
        by=by,
        keep=ctx.settings.retention,
        purpose=purpose,
        at=clock.now(),
    )
    for carrier in map(_CARRIERS.of, state.double_deliveries):
        DOUBLE_DELIVERIES.labels(carrier).inc()
        ctx.log.warning("delivered after the SMS in its place", message_id=message_id, carrier=carrier)
    return state.recipients


def _segments(sms: Draft | None) -> int:
    """Return the segments of an SMS, at least 1 where only Telnyx knows its text."""
    return 1 if sms is None else sms.segments


def _call(case: Case, sms: Draft | None) -> Call:
    """Return the request that would send it, as far as limits depend on it."""
    sender = None if case.rule.sender == "profile" else case.rule.sender
    asked = request(case, sms) if sms is not None else {"from_": sender}
    return Call(
        "POST",
        "/messages",
        product="mms" if sms is not None and sms.type == "MMS" else "sms",
        messaging_profile_id=case.message.messaging_profile_id or None,
        sender=asked.get("from_"),
        carrier=case.carrier,
    )


def _said_in(shown: Mapping[str, Any] | None) -> Message | None:
    """Return what a message says. Only its content is read, so that no other field can be unfit."""
    return None if shown is None else Message.model_validate({name: shown.get(name) for name in ("text", "body")})


def _shown_state(message_id: str, shown: Mapping[str, Any] | None) -> message_states.Shown | None:
    """Read a message that Telnyx shows like an event of its end."""
    if shown is None:
        return None
    payload = {**shown, "id": message_id}
    state = read_message_status("message.finalized", payload)
    consent = words_of("message.finalized", payload, None, now=clock.now())
    if state is None:
        return None
    return message_states.Shown(replace(state, at=clock.now(), is_reading=True), tuple(consent))
