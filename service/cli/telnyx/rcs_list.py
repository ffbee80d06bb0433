"""RCS agents and what phones can do, as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from telnyx.types.rcs.rcs_agent import RcsAgent

from service.cli.inspect.config import without_password
from service.cli.numbers import shown
from service.cli.output import say
from service.cli.tables import print_table
from service.store.facts.rcs_capabilities import Capability

TEXT_ONLY = ("GENERIC_RCS_FEATURE",)


def agent_as_json(agent: RcsAgent) -> dict[str, Any]:
    """An agent for machines, the passwords in its URLs masked."""
    urls = {"webhook_url": _url(agent.webhook_url), "webhook_failover_url": _url(agent.webhook_failover_url)}
    return agent.to_dict(mode="json") | urls


def show_agents(agents: Sequence[RcsAgent]) -> None:
    """Print agents."""
    if not agents:
        say("The account has no RCS agents.", err=True)
        return
    rows = [
        (
            each.agent_id or "-",
            each.agent_name or "-",
            "yes" if each.enabled else "no",
            each.profile_id or "-",
            [url for url in (_url(each.webhook_url), _url(each.webhook_failover_url)) if url] or "-",
        )
        for each in agents
    ]
    print_table(("id", "name", "enabled", "messaging profile", "webhook URLs"), rows)


def show_capabilities(found: Mapping[str, Capability], *, reveal: bool) -> None:
    """Print what phones can do, and how many can do anything."""
    print_table(("number", "RCS"), [(shown(number, reveal=reveal), _in_words(one)) for number, one in found.items()])
    capable = sum(one.capable for one in found.values())
    say(f"{capable} of {len(found)} can be reached by RCS", err=True)


def _in_words(capability: Capability) -> str:
    if not capability.capable:
        return "no"
    if capability.features == TEXT_ONLY:
        return "text only"
    return ", ".join(feature.lower().replace("_", " ") for feature in capability.features)


def _url(url: str | None) -> str | None:
    return None if url is None else without_password(url)
