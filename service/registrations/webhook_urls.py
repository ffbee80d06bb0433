"""Where Telnyx delivers: the webhook URLs of agents, profiles, brands and campaigns, beside those that are declared.

Inbound RCS goes to the agent's URLs. The status of outbound messages and hosted orders goes to the messaging profile's
(knowledge base, receiving RCS webhooks). Updates of 10DLC go to the brand's or the campaign's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson
from telnyx import AsyncTelnyx

from service.events.tolerant_model import list_of
from service.outbound.list_pages import rows_of
from service.routing import Context
from service.settings import Settings
from service.store.facts.remembered import compare_and_set, snapshot

Kind = Literal["agent", "profile", "brand", "campaign"]
Values = Mapping[str, str | None]
State = Literal["in step", "drift", "not managed"]

API_VERSION = "2"
"""The format of webhooks that is signed with Ed25519. The older ones would all be refused with 401."""
_AGENTS, _ALL = "agents", "all"
"""The kind and name under which the known agents are kept."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the webhooks of one agent, messaging profile, brand or campaign go, as Telnyx has it.

    `locked` says why its URLs must not be changed now.
    """

    kind: Kind
    id: str
    name: str
    values: Values
    locked: str = ""

    @property
    def key(self) -> str:
        """Its name among all kinds."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class TollFreeUrl:
    """Where the webhooks of one toll-free verification request go. It changes only with a resubmission."""

    id: str
    webhook_url: str | None


@dataclass(frozen=True, slots=True)
class UrlDifference:
    """One field that is not as declared."""

    field: str
    now: str | None
    declared: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A destination beside what is declared."""

    destination: Destination
    state: State
    differences: tuple[UrlDifference, ...]

    @property
    def wanted(self) -> dict[str, str]:
        """Return the fields to change, with their new values."""
        return {each.field: each.declared for each in self.differences}


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared URLs. `manage` holds the ids that are ours to change, `*` for all, or None where none is named."""

    public_url: str
    failover_url: str | None
    manage: frozenset[str] | None

    @classmethod
    def of(cls, settings: Settings) -> "Declared":
        """Return the declaration of these settings.

        Raises:
            service.settings.InvalidSettings: `RINGBACK_PUBLIC_URL` is not set.
        """
        return cls(settings.require_public_url(), settings.failover_url, settings.managed_ids())

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs at which events should arrive."""
        return (self.public_url,) if self.failover_url is None else (self.public_url, self.failover_url)

    def compare(self, destination: Destination) -> Comparison:
        """Tell what differs, and whether it is ours to change."""
        differences = tuple(
            UrlDifference(name, destination.values[name], wanted)
            for name, wanted in self._wanted(destination.kind).items()
            if destination.values[name] != wanted
        )
        if destination.locked or not self._manages(destination):
            return Comparison(destination, "not managed", differences)
        return Comparison(destination, "drift" if differences else "in step", differences)

    def _wanted(self, kind: Kind) -> dict[str, str]:
        wanted = {"webhook_url": self.public_url}
        if self.failover_url is not None:
            wanted["webhook_failover_url"] = self.failover_url
        return wanted | ({"webhook_api_version": API_VERSION} if kind == "profile" else {})

    def _manages(self, destination: Destination) -> bool:
        """Return whether it is named or, where nothing is, whether it already delivers to a host of ours."""
        if self.manage is not None:
            return "*" in self.manage or destination.id in self.manage
        urls = (destination.values["webhook_url"], destination.values["webhook_failover_url"])
        return not {_host(url) for url in urls if url}.isdisjoint(map(_host, self.urls))


async def toll_free_urls(telnyx: AsyncTelnyx) -> list[TollFreeUrl]:
    """Return the webhook URL of every toll-free verification request.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    requests = telnyx.messaging_tollfree.verification.requests.list(page=1, page_size=100)
    return [TollFreeUrl(each.id, each.webhook_url or None) async for each in rows_of(requests, "toll-free requests")]


def named_destinations(payload: Mapping[str, Any]) -> list[tuple[Kind, str]]:
    """Return the agents, profiles, brands and campaigns that the payload of an event names."""
    parties = [payload.get("from"), *list_of(payload.get("to"))]
    agents = [party.get("agent_id") for party in parties if isinstance(party, dict)]
    profiles = [payload.get("messaging_profile_id"), payload.get("profile_id")]
    found: list[tuple[Kind, Any]] = [("agent", each) for each in agents] + [("profile", each) for each in profiles]
    found += [("campaign", payload.get("campaignId")), ("brand", payload.get("brandId"))]
    return list(dict.fromkeys((kind, each) for kind, each in found if isinstance(each, str) and each))


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


async def new_agents(ctx: Context, ids: Iterable[str]) -> list[str]:
    """Return those of these agents that were not remembered. At the first look none is new."""
    before = await snapshot(ctx.services.store, _AGENTS, _ALL)
    return [] if before is None else [each for each in ids if each not in orjson.loads(before)]


async def remember_agents(ctx: Context, ids: Iterable[str]) -> None:
    """Remember these agents. Where another process does so at the same moment, its list holds."""
    before = await snapshot(ctx.services.store, _AGENTS, _ALL)
    await compare_and_set(ctx.services.store, _AGENTS, _ALL, before=before, after=orjson.dumps(sorted(ids)))
