"""`ringback rcs`."""

import secrets
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from redis.asyncio import Redis
from telnyx import AsyncTelnyx, omit
from telnyx.types.messages.rc_send_params import SMSFallback
from telnyx.types.rcs.rcs_agent import RcsAgent
from telnyx.types.rcs_agent_message_param import ContentMessage

from service.cli.confirm import confirm
from service.cli.numbers import e164, numbers_in, print_json, shown
from service.cli.options import JsonOption, RevealOption, YesOption
from service.cli.output import progress, say
from service.cli.telnyx.changing import load_for_change
from service.cli.telnyx.rcs_content import read_content
from service.cli.telnyx.rcs_list import agent_as_json, show_agents, show_capabilities
from service.cli.telnyx.shorteners import warn_of_shorteners
from service.cli.telnyx.telnyx_session import at_telnyx_and_redis, with_telnyx
from service.messages.rcs_capabilities import RcsCapabilities
from service.messages.rcs_sending import Progress, RcsDraft, follow, send
from service.outbound.list_pages import rows_of
from service.settings import load
from service.store.facts.consent import opted_out
from service.store.facts.rcs_capabilities import Capability
from service.store.keys import Keys

rcs = typer.Typer(help="RCS agents, what phones can do, and messages to try things with.", no_args_is_help=True)

Agent = Annotated[str, typer.Argument(help="The agent's id, from `ringback rcs agents`.")]
Number = Annotated[str, typer.Argument(help="A number such as +13125550001.", parser=e164)]


@rcs.command("agents")
def agents(*, as_json: JsonOption = False) -> None:
    """List the account's agents, with their messaging profiles and webhook URLs.

    Exit codes: 0 listed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    found = with_telnyx(load(), _agents)
    if as_json:
        print_json([agent_as_json(each) for each in found], reveal=True)
    else:
        show_agents(found)


@rcs.command("capabilities")
def capabilities(
    agent: Agent,
    numbers: Annotated[list[str] | None, typer.Argument(help="Numbers such as +13125550001.", parser=e164)] = None,
    *,
    file: Annotated[
        Path | None, typer.Option(help="A file with one number a line.", exists=True, dir_okay=False)
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask Telnyx also about numbers whose answer is remembered.")
    ] = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Tell which phones the agent can reach by RCS, and what these can show. Answers are remembered for 31 days.

    Exit codes: 0 told, 1 Telnyx or Redis refuses or cannot be reached, 2 bad usage.
    """
    wanted = [*(numbers or ()), *(numbers_in(file) if file else ())]
    if not wanted:
        raise typer.BadParameter("give numbers, --file or both")
    settings = load()
    with progress("Asking", len(set(wanted))) as advance:
        look_up = partial(_look_up, agent=agent, numbers=wanted, fresh=fresh, progress=advance)
        found = at_telnyx_and_redis(settings, look_up)
    if as_json:
        rows = [{"phone_number": each, "capable": one.capable, "features": one.features} for each, one in found.items()]
        print_json(rows, reveal=reveal)
    else:
        show_capabilities(found, reveal=reveal)


@rcs.command("deeplink")
def deeplink(
    agent: Agent,
    number: Annotated[str | None, typer.Option(help="Where a phone without RCS writes to.", parser=e164)] = None,
    body: Annotated[str | None, typer.Option(help="The beginning of the message.")] = None,
) -> None:
    """Print a link that opens a conversation with the agent; whole, since a masked one would lead nowhere.

    Exit codes: 0 printed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    say(with_telnyx(load(), partial(_deeplink, agent=agent, number=number, body=body)))


@rcs.command("invite")
def invite(agent: Agent, number: Number, *, yes: YesOption = False, reveal: RevealOption = False) -> None:
    """Invite a phone to try an agent that is not launched yet.

    Exit codes: 0 invited, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    settings = load_for_change()
    confirm(f"Invite {shown(number, reveal=reveal)} to try {agent}?", yes=yes)
    status = with_telnyx(settings, partial(_invite, agent=agent, number=number))
    say(f"{shown(number, reveal=reveal)}: {status.lower()}")


@rcs.command("send")
def send_message(
    agent: Agent,
    number: Number,
    *,
    text: Annotated[str | None, typer.Option(help="The message.")] = None,
    file: Annotated[
        str | None,
        typer.Option(help="The https URL of a file to send, or a JSON file with a content message (a rich card, say)."),
    ] = None,
    fallback_text: Annotated[
        str | None, typer.Option(help="The SMS that Telnyx sends from RINGBACK_SMS_FROM to a phone without RCS.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="The messaging profile, unless it is the agent's.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to follow it for at most.", min=0)] = 120,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Send one message to a phone, and follow it until it has ended.

    Exit codes: 0 delivered or read, 1 not so, not confirmed, or Telnyx refuses, 2 bad usage.
    """
    content = read_content(text, file)
    settings = load_for_change()
    fallback = _fallback(settings.sms_from, fallback_text)
    draft = at_telnyx_and_redis(
        settings, partial(_draft, agent=agent, to=number, profile=profile, content=content, fallback=fallback)
    )
    confirm(f"Send one message to {shown(number, reveal=reveal)} by {agent}?", yes=yes)
    last = with_telnyx(settings, partial(_send_and_follow, draft=draft, seconds=wait))
    if not last.ended:
        say(f"not ended after {wait:g} s; its webhooks tell the rest", err=True)
    if not last.reached:
        raise typer.Exit(1)


async def _agents(telnyx: AsyncTelnyx) -> list[RcsAgent]:

    return [each async for each in rows_of(telnyx.messaging.rcs.agents.list(page_size=50), "RCS agents")]


async def _look_up(
    telnyx: AsyncTelnyx, redis: Redis, keys: Keys, *, agent: str, numbers: list[str], fresh: bool, progress: Any
) -> dict[str, Capability]:

    return await RcsCapabilities(telnyx, redis, keys).look_up(agent, numbers, afresh=fresh, progress=progress)


async def _deeplink(telnyx: AsyncTelnyx, *, agent: str, number: str | None, body: str | None) -> str:

    answer = await telnyx.messages.rcs.generate_deeplink(agent, phone_number=number or omit, body=body or omit)
    return answer.data.url


async def _invite(telnyx: AsyncTelnyx, *, agent: str, number: str) -> str:
    answer = await telnyx.messaging.rcs.invite_test_number(number, id=agent)
    return answer.data.status or "invited"


async def _draft(
    telnyx: AsyncTelnyx,
    redis: Redis,
    keys: Keys,
    *,
    agent: str,
    to: str,
    profile: str | None,
    content: ContentMessage,
    fallback: SMSFallback | None,
) -> RcsDraft:
    """Return the message, unless the number said STOP or the agent cannot send; warn of links that may be blocked."""
    if await opted_out(redis, keys, to):
        _refuse("this number has said STOP: nothing was sent")
    known = (await telnyx.messaging.rcs.agents.retrieve(agent)).data
    if known is not None and known.enabled is False:
        _refuse(f"the agent {agent} is disabled: nothing was sent")
    messaging_profile_id = profile or (known.profile_id if known else None)
    if messaging_profile_id is None:
        _refuse(f"the agent {agent} has no messaging profile: name one with --profile")
    await warn_of_shorteners(telnyx, redis, keys, text=fallback["text"] if fallback else "")
    return RcsDraft(agent, to, str(messaging_profile_id), content, fallback)


async def _send_and_follow(telnyx: AsyncTelnyx, *, draft: RcsDraft, seconds: float) -> Progress:

    message_id = await send(telnyx, draft, idempotency_key=f"rb-{secrets.token_hex(32)}")
    say(f"accepted: {message_id}")
    return await follow(telnyx, message_id, seconds=seconds, tell=_tell)


def _tell(progress: Progress) -> None:
    say(f"{progress.status} ({progress.channel})")


def _fallback(sms_from: str | None, text: str | None) -> SMSFallback | None:
    if text is None:
        return None
    if sms_from is None or sms_from == "profile":
        raise typer.BadParameter("--fallback-text takes a number or short code of yours in RINGBACK_SMS_FROM")
    return {"from": sms_from, "text": text}


def _refuse(why: str) -> None:
    say(why, err=True)
    raise typer.Exit(1)
