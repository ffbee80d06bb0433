"""`ringback rcs`."""

import json
import secrets
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from telnyx import AsyncTelnyx, omit
from telnyx.types.messages.rc_send_params import SMSFallback
from telnyx.types.rcs_agent_message_param import ContentMessage

from service.cli.connections import load_for_change, with_redis
from service.cli.masked_output import show_list, shown
from service.cli.options import E164Argument, JsonOption, RevealOption, YesOption, e164, numbers_in
from service.cli.output import confirm, fail, say
from service.cli.rich_output import Cell, progress
from service.cli.telnyx.session import check_consent, check_sms, sender_of, with_telnyx, with_telnyx_and_redis
from service.messages.rcs_capabilities import RcsCapabilities
from service.messages.rcs_sending import Progress, RcsDraft, follow, send
from service.outbound.list_pages import rows_of
from service.security.masked_urls import without_password
from service.store.facts.rcs_agents import agent_standings
from service.store.facts.remembered import TEXT_ONLY, Capability
from service.store.store import Store

rcs = typer.Typer(help="RCS agents, the RCS features of phones, and test messages.", no_args_is_help=True)

_URLS = ("webhook_url", "webhook_failover_url")

Agent = Annotated[str, typer.Argument(help="The agent's id, from `ringback rcs agents`.")]


@rcs.command("agents")
def agents(*, as_json: JsonOption = False) -> None:
    """List the account's agents, with their messaging profiles and webhook URLs.

    Exit codes: 0 listed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    columns, none = "id, name, enabled, messaging profile, webhook URLs", "The account has no RCS agents."
    show_list(with_telnyx(_agents), columns, _agent_row, none, as_json=as_json, reveal=True)


@rcs.command("capabilities")
def capabilities(
    agent: Agent,
    numbers: Annotated[list[str] | None, typer.Argument(help="Numbers such as +13125550001.", parser=e164)] = None,
    *,
    file: Annotated[
        Path | None, typer.Option(help="A file with one number a line.", exists=True, dir_okay=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again where an answer is remembered.")] = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """Tell which phones the agent can reach by RCS, and their features. Answers are remembered for 31 days.

    Exit codes: 0 answered, 1 Telnyx or Redis refuses or cannot be reached, 2 bad usage.
    """
    wanted = [*(numbers or ()), *(numbers_in(file) if file else ())]
    if not wanted:
        raise typer.BadParameter("give numbers, --file or both")
    with progress("Asking", len(set(wanted))) as advance:
        found = with_telnyx_and_redis(
            lambda telnyx, store: RcsCapabilities(telnyx, store).read(agent, wanted, afresh=fresh, progress=advance)
        )
    standing = with_redis(agent_standings).get(agent)
    if standing is not None and not standing.launched and not fresh:
        say("no carrier has approved this agent yet: only its test numbers were asked about (--fresh: all)", err=True)
    items = found.items()
    rows: list[dict[str, Any]] = [
        {"phone_number": each, "capable": one.capable, "features": one.features} for each, one in items
    ]

    def row(each: dict[str, Any]) -> tuple[str, str]:
        return shown(each["phone_number"], reveal=reveal), _features(found[each["phone_number"]])

    show_list(rows, "number, RCS", row, "", as_json=as_json, reveal=reveal)
    if not as_json:
        say(f"{sum(one.capable for one in found.values())} of {len(found)} can be reached by RCS", err=True)


@rcs.command("deeplink")
def deeplink(
    agent: Agent,
    number: Annotated[str | None, typer.Option(help="Where a phone without RCS writes to.", parser=e164)] = None,
    body: Annotated[str | None, typer.Option(help="The beginning of the message.")] = None,
) -> None:
    """Print a link that opens a conversation with the agent. It is whole, since a masked link leads nowhere.

    Exit codes: 0 printed, 1 Telnyx refuses or cannot be reached, 2 bad usage.
    """
    answer = with_telnyx(
        lambda telnyx: telnyx.messages.rcs.generate_deeplink(agent, phone_number=number or omit, body=body or omit)
    )
    say(answer.data.url)


@rcs.command("invite")
def invite(agent: Agent, number: E164Argument, *, yes: YesOption = False, reveal: RevealOption = False) -> None:
    """Invite a phone to try an agent that is not launched yet.

    Exit codes: 0 invited, 1 not confirmed, or Telnyx refuses or cannot be reached, 2 bad usage.
    """
    load_for_change()
    confirm(f"Invite {shown(number, reveal=reveal)} to try {agent}?", yes=yes)
    answer = with_telnyx(lambda telnyx: telnyx.messaging.rcs.invite_test_number(number, id=agent))
    say(f"{shown(number, reveal=reveal)}: {(answer.data.status or 'invited').lower()}")


@rcs.command("send")
def send_message(
    agent: Agent,
    number: E164Argument,
    *,
    text: Annotated[str | None, typer.Option(help="The message.")] = None,
    file: Annotated[
        str | None, typer.Option(help="The https URL of a file, or a JSON file with a content message.")
    ] = None,
    fallback_text: Annotated[str | None, typer.Option(help="An SMS to a phone without RCS, by Telnyx.")] = None,
    profile: Annotated[str | None, typer.Option(help="The messaging profile, unless it is the agent's.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to follow it for at most.", min=0)] = 120,
    yes: YesOption = False,
    reveal: RevealOption = False,
) -> None:
    """Send one message to a phone, and follow it until it has ended.

    Exit codes: 0 delivered or read, 1 not so, not confirmed, a STOP, or Telnyx refuses, 2 bad usage.
    """
    content = read_content(text, file)
    sms_from = load_for_change().sms_from
    fallback: SMSFallback | None = None
    if fallback_text is not None:
        how = "--fallback-text takes a number or short code of yours in RINGBACK_SMS_FROM"
        fallback = {"from": sender_of(sms_from, how), "text": fallback_text}
    draft = RcsDraft(agent, number, profile or "", content, fallback)
    draft = with_telnyx_and_redis(partial(_checked_draft, draft=draft))
    confirm(f"Send one message to {shown(number, reveal=reveal)} by {agent}?", yes=yes)
    last = with_telnyx_and_redis(partial(_send_and_follow, draft=draft, seconds=wait))
    if not last.ended:
        say(f"not ended after {wait:g} s, its webhooks tell the rest", err=True)
    if not last.reached:
        raise typer.Exit(1)


async def _agents(telnyx: AsyncTelnyx) -> list[dict[str, Any]]:
    """Return the account's agents, the passwords in their URLs masked."""
    pages = telnyx.messaging.rcs.agents.list(page_size=50)
    found = [each.to_dict(mode="json") async for each in rows_of(pages, "RCS agents")]
    for each in found:
        each |= {name: each.get(name) and without_password(each[name]) for name in _URLS}
    return found


def _agent_row(agent: dict[str, Any]) -> tuple[Cell, ...]:
    id_, name, profile = (agent.get(each) or "-" for each in ("agent_id", "agent_name", "profile_id"))
    urls = [agent[each] for each in _URLS if agent[each]]
    return id_, name, "yes" if agent.get("enabled") else "no", profile, urls or "-"


def _features(capability: Capability) -> str:
    if not capability.capable:
        return "no"
    if capability.features == (TEXT_ONLY,):
        return "text only"
    return ", ".join(feature.lower().replace("_", " ") for feature in capability.features)


async def _checked_draft(telnyx: AsyncTelnyx, store: Store, *, draft: RcsDraft) -> RcsDraft:
    """Return the message with its messaging profile, unless the number said STOP or the agent cannot send."""
    text = draft.fallback["text"] if draft.fallback else ""
    await check_sms(telnyx, store, draft.to, text, undone="sent")
    known = (await telnyx.messaging.rcs.agents.retrieve(draft.agent)).data
    if known is not None and known.enabled is False:
        fail(f"the agent {draft.agent} is disabled: nothing was sent")
    profile = draft.messaging_profile_id or (known.profile_id if known else None)
    if profile is None:
        fail(f"the agent {draft.agent} has no messaging profile: name one with --profile")
    return replace(draft, messaging_profile_id=profile)


async def _send_and_follow(telnyx: AsyncTelnyx, store: Store, *, draft: RcsDraft, seconds: float) -> Progress:
    # A STOP may have come while the question stood.
    await check_consent(store, draft.to, undone="sent")
    message_id = await send(telnyx, draft, idempotency_key=f"rb-{secrets.token_hex(32)}")
    say(f"accepted: {message_id}")
    return await follow(telnyx, message_id, seconds=seconds, tell=lambda it: say(f"{it.status} ({it.channel})"))


CONTENTS = ("text", "rich_card", "content_info")
"""The kinds of a content message. Source: OpenAPI `RCSContentMessage`."""
LONGEST_TEXT = 3072
"""Characters. Source: OpenAPI `RCSContentMessage`."""


def read_content(text: str | None, file: str | None) -> ContentMessage:
    """Return the content message that `--text` or `--file` give.

    Raises:
        typer.BadParameter: neither or both are given, or the content cannot be sent.
    """
    if (text is None) == (file is None):
        raise typer.BadParameter("give either --text or --file")
    if file is None:
        return _checked({"text": text}, "--text")
    if file.startswith(("https://", "http://")):
        return {"content_info": {"file_url": file}}
    return _checked(_from_json(Path(file)), f"--file: {file}")


def _from_json(path: Path) -> Any:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        why = type(error).__name__
        raise typer.BadParameter(f"--file: {path} cannot be read ({why}). A URL begins https://") from None
    except ValueError:
        raise typer.BadParameter(f"--file: {path} is no JSON. A file to send must stand at an https URL") from None
    return content.get("content_message", content) if isinstance(content, dict) else content


def _checked(content: Any, where: str) -> ContentMessage:
    named = [each for each in CONTENTS if isinstance(content, dict) and each in content]
    if len(named) != 1:
        raise typer.BadParameter(f"{where}: a content message has one of {', '.join(CONTENTS)}")
    text = content.get("text", "x")
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
        raise typer.BadParameter(f"{where}: a text has 1 to {LONGEST_TEXT} characters")
    checked: ContentMessage = content
    return checked
