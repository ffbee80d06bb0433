"""An RCS or WhatsApp message that did not reach its recipient becomes one SMS (or MMS), as the policy says."""

import math

from telnyx import APIError

from service import Context, Discard, Event, Retry, Router, clock
from service.events import Message
from service.events.message import MAX_RECIPIENTS
from service.messages.fallback import DUE, Case, cases, without_number
from service.messages.fallback_sending import Fallback, preflight
from service.messages.policy_file import policy_of
from service.outbound.errors import Refusal
from service.outbound.handler_run_state import Interrupted, interrupted_by, take_note
from service.outcome import Outcome
from service.settings import Settings

router = Router()

_Trouble = Outcome | APIError | Refusal
_PARKED = 1e9
"""In place of the seconds until a block is lifted, which nobody knows."""


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
    troubles: list[_Trouble] = []
    for case in selected:
        # One recipient's trouble is no reason to leave the others without their SMS.
        try:
            reasons.append(await _handle_recipient(Fallback(ctx, case, states[case.number], event.id)))
        except (Outcome, APIError) as trouble:
            troubles.append(trouble)
        except Interrupted:
            troubles.append(take_note())
    if troubles:
        soonest = min(troubles, key=_wait)
        raise interrupted_by(soonest) if isinstance(soonest, Refusal) else soonest
    reasons += _left_out(ctx, message)
    if all(reasons):
        raise Discard(str(reasons[0]) if reasons else "not_failed")


def _wait(trouble: _Trouble) -> float:
    """Return after how many seconds the handler runs again for a recipient's trouble: infinite where it may not."""
    if isinstance(trouble, Retry):
        return trouble.after
    if isinstance(trouble, Refusal):
        return {"later": trouble.after or 0.0, "account": _PARKED, "held": _PARKED}.get(trouble.kind, math.inf)
    return math.inf


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
    reason = None if state.sent else case.reason_against(clock.now(), state.held)
    if reason and not state.perhaps:
        return reason
    if state.reason == "right_held":
        fallback.remark_holder()
    return state.reason or await fallback.send(against=reason)


async def _watch(ctx: Context, case: Case, seconds: float) -> None:
    """Ask again when the message should have been delivered. Even an earlier delivery calls that off."""
    now = ctx.services.now()
    since = now if case.since is None else case.since
    await ctx.schedule(DUE, case.alone(), after=max(0.0, since + seconds - now), key=case.timer)
