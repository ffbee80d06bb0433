"""RCS brands and agents, followed from their submission to the answer of each carrier.

Telnyx documents no webhook about them, so they are polled. One list has all brands, another all agents with their
sections, carriers' answers and test devices. Source: SDK 4.189, `client.rcs`.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from telnyx import AsyncTelnyx, NotFoundError

from service.events.tolerant_model import list_of
from service.outbound.carriers import carrier_name
from service.registrations.status_changes import Followed, Known, Reading, Status
from service.store.facts.rcs_agents import AgentStanding, agent_standings, note_standings, note_test_devices
from service.store.facts.remembered import all_known, compare_and_set, snapshot
from service.store.store import Store

BRAND, AGENT, APPROVAL, DEVICE = "rcs_brand", "rcs_agent", "rcs_carrier_approval", "rcs_test_device"
NEEDS_PERSON = frozenset({"REJECTED", "FAILED"})
BRAND_UNDER_REVIEW = frozenset({"CONFIGURED", "SUBMITTED", "REVIEWING", "VETTING"})
AGENT_UNDER_REVIEW = frozenset({"SUBMITTED", "VERIFYING", "LAUNCHING", "LAUNCHED"})
UNANSWERED = frozenset({"PENDING", "SUBMITTED"})
_BEGINNINGS = frozenset({"CREATED", "PENDING"})
"""Statuses that are no change if they are the first ones to be seen."""
_ACCOUNT = ("rcs_registration", "account")
"""The kind and name under which it is kept that all registrations of the account were read once."""
SECTIONS = ("basics", "campaign", "testing")
MOST_AT_ONCE = 25
"""Changed brands, agents, approvals and devices that one run reads. It stays well within a handler's time-out."""


def followed(store: Store, kind: str) -> Followed:
    """Return the known states of all brands, agents, carrier approvals or test devices."""
    return Followed(store, kind, NEEDS_PERSON)


def sections_of(agent: Any) -> dict[str, str]:
    """Return the status of each section of an agent that was submitted."""
    found = ((each, getattr(agent, f"{each}_status", None)) for each in SECTIONS)
    return {section: status for section, status in found if status}


@dataclass(frozen=True, slots=True)
class _Subject:
    """One registration that may have changed since it was last read. An approval and a test device have their agent.

    `is_news`: its first sight is a change too, since its account or its agent was read before.
    """

    kind: str
    id: str
    agent: Any = None
    is_news: bool = False


async def follow_all(telnyx: AsyncTelnyx, store: Store) -> bool:
    """Read all brands and agents, raise their changes, and note which phones may be asked about.

    Return whether these were all changes.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached.
        service.registrations.status_changes.TooMuchChange: others kept learning of one meanwhile.
    """
    account_known = await snapshot(store, *_ACCOUNT) is not None
    brands: list[Any] = list_of(await telnyx.rcs.brands.list())
    agents: list[Any] = list_of(await telnyx.rcs.agents.list())
    await _note_agents(store, agents)
    changed = [
        *await _changed_brands(store, brands, account_known=account_known),
        *await _changed_agents(store, agents, account_known=account_known),
    ]
    for each in changed[:MOST_AT_ONCE]:
        # Deleted since the list was read: there is nothing to tell.
        with suppress(NotFoundError):
            await followed(store, each.kind).raise_changes(each.id, partial(_read, telnyx, each))
    is_complete = len(changed) <= MOST_AT_ONCE
    if is_complete and not account_known:
        await compare_and_set(store, *_ACCOUNT, before=None, after=b"read")
    return is_complete


async def under_review(store: Store) -> bool:
    """Return whether anything that is known is under review."""
    brands = map(Known.parse, (await all_known(store, BRAND)).values())
    if any(each.status in BRAND_UNDER_REVIEW for each in brands):
        return True
    return any(each.pending for each in (await agent_standings(store)).values())


def standing_of(agent: Any) -> AgentStanding:
    """Return how far an agent has come. A provider without approvals by carrier launches an agent for all of them."""
    approvals: Sequence[Any] = agent.carrier_approvals or ()
    approved = tuple(sorted(each.approval_id for each in approvals if each.status == "APPROVED"))
    answers = {is_approved: _carriers(approvals, is_approved=is_approved) for is_approved in (True, False)}
    unapproved = tuple(sorted(answers[False] - answers[True]))
    launched = bool(approved) or agent.status == "LIVE" or (agent.status == "LAUNCHED" and not approvals)
    statuses = {*sections_of(agent).values(), *(each.status for each in approvals)}
    invites = {each.invite_status for each in agent.test_devices or ()}
    pending = agent.status in AGENT_UNDER_REVIEW or not UNANSWERED.isdisjoint(statuses | invites)
    return AgentStanding(launched, pending, approved, unapproved)


def _carriers(approvals: Sequence[Any], *, is_approved: bool) -> set[str]:
    rows = (each for each in approvals if (each.status == "APPROVED") == is_approved)
    return {carrier_name(each.carrier) for each in rows if each.carrier}


async def _note_agents(store: Store, agents: Iterable[Any]) -> None:
    await note_standings(store, {each.agent_id: standing_of(each) for each in agents})
    for agent in agents:
        devices = {each.phone_number: each.invite_status for each in agent.test_devices or ()}
        accepted = [number for number, status in devices.items() if status == "ACCEPTED"]
        await note_test_devices(store, agent.agent_id, accepted, devices.keys() - set(accepted))


async def _changed_brands(store: Store, brands: Iterable[Any], *, account_known: bool) -> list[_Subject]:
    versions = await followed(store, BRAND).versions()
    changed = (each for each in brands if versions.get(each.brand_id) != _of_brand(each).version)
    return [_Subject(BRAND, each.brand_id, is_news=account_known) for each in changed]


async def _changed_agents(store: Store, agents: Iterable[Any], *, account_known: bool) -> list[_Subject]:
    """Return the changed agents, each behind its approvals and devices: those of a known agent were all read before."""
    known, approvals, devices = [await followed(store, each).versions() for each in (AGENT, APPROVAL, DEVICE)]
    found = []
    for agent in agents:
        is_news = account_known or agent.agent_id in known
        rows: Sequence[Any] = agent.carrier_approvals or ()
        changed = [each for each in rows if approvals.get(each.approval_id) != _of_approval(each, agent).version]
        found += [_Subject(APPROVAL, each.approval_id, agent, is_news) for each in changed]
        testers: Sequence[Any] = agent.test_devices or ()
        answered = [each for each in testers if devices.get(each.test_device_id) != _of_device(each, agent).version]
        found += [_Subject(DEVICE, each.test_device_id, agent, is_news) for each in answered]
        if known.get(agent.agent_id) != _of_agent(agent).version:
            found.append(_Subject(AGENT, agent.agent_id, is_news=account_known))
    return found


async def _read(telnyx: AsyncTelnyx, subject: _Subject) -> Reading:
    reading = await _READERS[subject.kind](telnyx, subject)
    if not subject.is_news:
        return reading
    history = [replace(each, urgent=each.urgent or each.status not in _BEGINNINGS) for each in reading.history]
    return replace(reading, history=history)


async def _read_brand(telnyx: AsyncTelnyx, brand: _Subject) -> Reading:
    return _of_brand(await telnyx.rcs.brands.retrieve(brand.id))


async def _read_agent(telnyx: AsyncTelnyx, agent: _Subject) -> Reading:
    return _of_agent(await telnyx.rcs.agents.retrieve(agent.id))


async def _read_approval(telnyx: AsyncTelnyx, approval: _Subject) -> Reading:
    answers: list[Any] = list_of(await telnyx.rcs.agents.retrieve_carrier_approvals(approval.agent.agent_id))
    rows = (each for each in answers if each.approval_id == approval.id)
    return next((_of_approval(each, approval.agent) for each in rows), Reading([], {}))


async def _read_device(telnyx: AsyncTelnyx, device: _Subject) -> Reading:
    devices: list[Any] = list_of(await telnyx.rcs.agents.test_devices.list(device.agent.agent_id))
    rows = (each for each in devices if each.test_device_id == device.id)
    return next((_of_device(each, device.agent) for each in rows), Reading([], {}))


_READERS = {BRAND: _read_brand, AGENT: _read_agent, APPROVAL: _read_approval, DEVICE: _read_device}


def _of_brand(brand: Any) -> Reading:
    return _reading(Status(brand.status), display_name=brand.display_name)


def _of_agent(agent: Any) -> Reading:
    sections = sections_of(agent)
    rejected = ", ".join(each for each, status in sections.items() if status == "REJECTED")
    status = Status(agent.status, rejected or None, urgent=bool(rejected))
    return _reading(status, display_name=agent.display_name, brand_id=agent.brand_id, sections=sections)


def _of_approval(approval: Any, agent: Any) -> Reading:
    status = Status(approval.status, approval.rejected_reason)
    named = {"agent_id": agent.agent_id, "display_name": agent.display_name}
    return _reading(status, **named, carrier=approval.carrier, scope_type=approval.scope_type)


def _of_device(device: Any, agent: Any) -> Reading:
    named = {"agent_id": agent.agent_id, "display_name": agent.display_name}
    return _reading(Status(device.invite_status), **named, phone_number=device.phone_number)


def _reading(status: Status, **details: Any) -> Reading:
    return Reading([status], details, version=status.mark)
