"""An RCS or WhatsApp message that did not reach its recipient becomes one SMS (or MMS), as the policy says."""

from telnyx import APIError

from service import Context, Discard, Event, Retry, Router, clock
from service.events import Message
from service.events.message import MAX_RECIPIENTS
from service.messages.fallback import DUE, Case, cases, without_number
from service.messages.fallback_sending import Fallback, preflight
from service.messages.policy_file import policy_of
from service.outcome import Outcome
from service.settings import Settings

router = Router()


def unless(event: Event[Message], settings: Settings) -> str | None:
    """Return a reason against a message of another kind than those that have a fallback."""
    message, policy = event.payload, policy_of(settings.policy, settings.sms_from)
    types = policy.types if policy is not None else {"RCS"}
    if message.direction != "outbound" or message.type not in types or not message.id:
        return "not_rcs"
    if len(message.to) > MAX_RECIPIENTS:
        return "too_many_recipients"
    return "not_armed" if policy is None else None


@router.on("message.sent", "message.finalized", "message.read", DUE, unless=unless)
async def sms_fallback(event: Event[Message], ctx: Context) -> None:
    """Send one SMS per recipient whom a message failed, once per message, whichever of its events asks first."""
    message = event.payload
    policy = policy_of(ctx.settings.policy, ctx.settings.sms_from)
    if policy is None or message.id is None:
        raise Discard("not_armed")
    selected = list(cases(policy, event, accepted_at=ctx.services.accepted_at))
    states = await preflight(ctx, message.id, selected, by=event.id)
    reasons: list[str | None] = []
    troubles: list[Outcome | APIError] = []
    for case in selected:
        try:
            reasons.append(await _handle_recipient(Fallback(ctx, case, states[case.number], event.id)))
        except (Outcome, APIError) as trouble:
            # One recipient's trouble is no reason to leave the others without their SMS.
            troubles.append(trouble)
    if troubles:
        raise min(troubles, key=lambda each: each.after if isinstance(each, Retry) else float("inf"))
    reasons += _left_out(ctx, message)
    if all(reasons):
        raise Discard(str(reasons[0]) if reasons else "not_failed")


def _left_out(ctx: Context, message: Message) -> list[str]:
    """Return a reason for each recipient whom no SMS can reach."""
    count = without_number(message)
    if count:
        ctx.log.info("recipients without a number get no SMS", recipients=count, message_id=message.id)
    return ["no_number"] * count


async def _handle_recipient(fallback: Fallback) -> str | None:
    """Watch a message that is under way. Of one that has ended, send the SMS or return why there is none."""
    ctx, case, state = fallback.ctx, fallback.case, fallback.state
    timeout = case.rule.undelivered_after
    if timeout is not None and case.under_way:
        await _watch(ctx, case, timeout)
        return None
    if timeout is not None and case.reached:
        await ctx.cancel(case.timer)
    reason = None if state.begun else case.reason_against(clock.now(), state.held)
    if not reason and state.reason == "right_held":
        fallback.remark_holder()
    return reason or state.reason or await fallback.send()


async def _watch(ctx: Context, case: Case, seconds: float) -> None:
    """Ask again when the message should have been delivered. Even an earlier delivery calls that off."""
    now = ctx.services.now()
    since = now if case.since is None else case.since
    await ctx.schedule(DUE, case.alone(), after=max(0.0, since + seconds - now), key=case.timer)
