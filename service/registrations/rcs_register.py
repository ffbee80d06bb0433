"""Registering an RCS brand and agent so that a repetition creates nothing twice.

A brand has no idempotency key at Telnyx, so an equal one is looked for first. An agent is created under a key that
depends on its content, and looked for too. Source: SDK 4.189, `rcs.agents.create`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from telnyx import AsyncTelnyx, NotFoundError

from service.events.tolerant_model import list_of
from service.outbound.api_call import idempotency_key
from service.registrations.rcs_registration import NEEDS_PERSON
from service.registrations.rcs_submission import RcsFile

DRAFT = "CREATED"
"""The only status in which Telnyx changes the fields of a brand or an agent."""
_DASHES = re.compile(r"(?<=\d)-(?=\d)")


class CannotRegister(Exception):
    """Telnyx has a brand or an agent that forbids the registration. The text says what to do."""


@dataclass(frozen=True, slots=True)
class RegistrationStep:
    """The action for a brand or an agent: `create`, `update` or `keep`. `id` is that of a known one."""

    action: str
    fields: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a registration. The agent's brand may not be there yet."""

    brand: RegistrationStep
    agent: RegistrationStep | None


async def plan(telnyx: AsyncTelnyx, file: RcsFile) -> Plan:
    """Return the steps that are left of a registration.

    Raises:
        CannotRegister: there is no such brand, or an equal brand or agent is rejected or locked.
        telnyx.APIError: Telnyx refuses, or cannot be reached.
    """
    brand = await _plan_brand(telnyx, file)
    fields = file.agent_fields()
    if fields is None:
        return Plan(brand, None)
    agents = list_of(await telnyx.rcs.agents.list(brand_id=brand.id)) if brand.id else []
    same = [each for each in agents if each.display_name.casefold() == fields["display_name"].casefold()]
    return Plan(brand, _step("agent", fields, [(each.agent_id, each) for each in same]))


async def carry_out(telnyx: AsyncTelnyx, wanted: Plan) -> tuple[str, str | None]:
    """Take the steps. Return the ids of the brand and of the agent.

    Raises:
        telnyx.APIError: Telnyx refuses, or cannot be reached. Doing it again creates nothing twice.
    """
    brand_id = await _brand(telnyx, wanted.brand)
    return brand_id, await _agent(telnyx, brand_id, wanted.agent) if wanted.agent else None


async def _plan_brand(telnyx: AsyncTelnyx, file: RcsFile) -> RegistrationStep:
    fields = file.brand_fields()
    if fields is None:
        try:
            found = await telnyx.rcs.brands.retrieve(file.brand_id or "")
        except NotFoundError:
            raise CannotRegister(f"there is no brand {file.brand_id}: `ringback rcs brands` lists them") from None
        if found.status in NEEDS_PERSON:
            raise CannotRegister(f"the brand {file.brand_id} is {found.status}: register another one")
        return RegistrationStep("keep", {}, found.brand_id)
    ein = fields["identifiers"]["ein"]
    known = [(each.brand_id, each) for each in list_of(await telnyx.rcs.brands.list()) if _same_ein(each, ein)]
    named = [each for each in known if each[1].display_name.casefold() == fields["display_name"].casefold()]
    return _step("brand", fields, named)


def _step(kind: str, fields: Mapping[str, Any], known: Sequence[tuple[str, Any]]) -> RegistrationStep:
    """Return the step for a brand or an agent, beside those of its name that Telnyx has."""
    rejected = [each for each in known if each[1].status in NEEDS_PERSON]
    for known_id, each in known:
        differing = _differing(fields, each.to_dict(mode="json"))
        if each.status in NEEDS_PERSON:
            continue
        if not differing:
            return RegistrationStep("keep", {}, known_id)
        if each.status == DRAFT:
            return RegistrationStep("update", differing, known_id)
        names = ", ".join(differing)
        raise CannotRegister(f"the {kind} {known_id} is {each.status}, so its fields are locked: {names} cannot change")
    for known_id, each in rejected:
        if not _differing(fields, each.to_dict(mode="json")):
            raise CannotRegister(f"the {kind} {known_id} is {each.status} with these very fields: correct the file")
    return RegistrationStep("create", fields)


async def _brand(telnyx: AsyncTelnyx, step: RegistrationStep) -> str:
    if step.action == "create":
        return (await telnyx.rcs.brands.create(**step.fields)).brand_id
    if step.action == "update":
        await telnyx.rcs.brands.update(step.id, **step.fields)
    return step.id


async def _agent(telnyx: AsyncTelnyx, brand_id: str, step: RegistrationStep) -> str:
    if step.action == "create":
        content = orjson.dumps(dict(step.fields), option=orjson.OPT_SORT_KEYS).decode()
        key = idempotency_key("rcs agent", brand_id, content)
        return (await telnyx.rcs.agents.create(brand_id=brand_id, **step.fields, idempotency_key=key)).agent_id
    if step.action == "update":
        await telnyx.rcs.agents.update(step.id, **step.fields)
    return step.id


def _same_ein(brand: Any, ein: Mapping[str, Any]) -> bool:
    known = (brand.identifiers or {}).get("ein")
    return known is not None and _is_within(ein["value"], getattr(known, "value", None))


def _differing(fields: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not _is_within(value, shown.get(name))}


def _is_within(wanted: Any, shown: Any) -> bool:
    """Return whether Telnyx shows all that is wanted. It may show more, and write numbers without dashes."""
    if isinstance(wanted, Mapping):
        return isinstance(shown, Mapping) and all(_is_within(each, shown.get(name)) for name, each in wanted.items())
    if isinstance(wanted, list):
        return isinstance(shown, list) and len(wanted) == len(shown) and all(map(_is_within, wanted, shown))
    if isinstance(wanted, str) and isinstance(shown, str):
        return wanted == shown or _DASHES.sub("", wanted) == _DASHES.sub("", shown)
    return bool(wanted == shown)
