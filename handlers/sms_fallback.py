"""An RCS message that did not reach its recipient becomes one SMS (or MMS), as the policy says."""

from telnyx import APIError

from service import Context, Discard, Event, Retry, Router, clock
from service.events import Message
from service.messages.fallback import DUE, Case, cases, content_of
from service.messages.fallback_sending import (
    check_sending_window,
    look,
    look_up,
    note_sent,
    prospect,
    remark_holder,
    send_instead,
    wait_for_budget,
    write,
)
from service.messages.policy_file import policy_of
from service.routing import Outcome
from service.store.facts.message_states import RecipientState

router = Router()


@router.on("message.sent", "message.finalized", "message.read", DUE)
async def sms_fallback(event: Event[Message], ctx: Context) -> None:
    """Send one SMS per recipient whom a message failed, once per message, whichever of its events asks first."""
    message = event.payload
    if message.direction != "outbound" or message.type != "RCS" or not message.id:
        raise Discard("not_rcs")
    policy = policy_of(ctx.settings.policy, ctx.settings.sms_from)
    if policy is None:
        raise Discard("not_armed")
    found = list(cases(policy, event))
    known = await look(ctx, message.id, {case.number: prospect(ctx, case) for case in found}, by=event.id)
    reasons: list[str | None] = []
    troubles: list[Outcome | APIError] = []
    for case in found:
        try:
            reasons.append(await _handle_recipient(ctx, case, known[case.number], event.id))
        except (Outcome, APIError) as trouble:
            # One recipient's trouble is no reason to leave the others without their SMS.
            troubles.append(trouble)
    if troubles:
        raise min(troubles, key=lambda each: each.after if isinstance(each, Retry) else float("inf"))
    if all(reasons):
        raise Discard(str(reasons[0]) if reasons else "not_failed")


async def _handle_recipient(ctx: Context, case: Case, known: RecipientState, by: str) -> str | None:
    """Watch over a message that is under way; of one that has ended, answer why there is no SMS, or send it."""
    if case.patience is not None and case.under_way:
        await _watch(ctx, case, case.patience)
        return None
    if case.patience is not None and case.reached:
        await ctx.cancel(case.timer)
    reason = None if known.begun else case.reason_against(clock.now(), known.held)
    if not reason and known.reason == "right_held":
        remark_holder(ctx, known)
    return reason or known.reason or await _fall_back(ctx, case, known, by)


async def _watch(ctx: Context, case: Case, patience: float) -> None:
    """Ask again when the message should have been delivered; a delivery calls that off, even one told of earlier."""
    since = clock.now() if case.since is None else case.since
    await ctx.schedule(DUE, case.alone(), after=max(0.0, since + patience - clock.now()), key=case.timer)


async def _fall_back(ctx: Context, case: Case, known: RecipientState, by: str) -> str | None:
    """Send the SMS in place of a message, or answer why not.

    Whether it has to wait is known before Telnyx is read. The script that writes the intent asks everything again, and
    takes the state that Telnyx shows into account.
    """
    shown, message_id = None, str(case.message.id)
    if not known.begun and (reason := await check_sending_window(ctx, case, known, by=by)) is not None:
        return reason
    if not known.begun or not content_of(case.message):
        shown = await look_up(ctx.telnyx, message_id)
    wanted = await write(ctx, case, shown)
    reason = await send_instead(ctx, case, wanted, shown)
    if reason == "over_budget":
        await wait_for_budget(ctx, case, wanted, by=by)
    if reason is None:
        await note_sent(ctx, message_id, case.number, by=by)
    return reason
