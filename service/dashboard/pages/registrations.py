"""Registrations at Telnyx, with the last status that Ringback has seen of each."""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.registrations.hosted_numbers import NEXT_STEPS
from service.registrations.status_changes import Known
from service.store.facts.remembered import all_known

MOST = 200
KINDS: dict[str, dict[str, str]] = tomllib.loads((files(__package__) / "registrations.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Registration:
    """One registration: its id, its last status, and since when (ms) as far as Telnyx says that."""

    subject: str
    status: str
    at: int | None
    changes: int
    step: str


@dataclass(frozen=True, slots=True)
class Kind:
    """The registrations of one kind, those that changed last first, at most `MOST` of `number`."""

    title: str
    command: str
    number: int
    registrations: list[Registration]


async def registrations(visit: Visit) -> View:
    """Show what is registered."""
    kinds = [await _kind(visit, name, words) for name, words in KINDS.items()]
    return View("registrations", {"kinds": [kind for kind in kinds if kind.number], "most": MOST}, live=True)


async def _kind(visit: Visit, name: str, words: dict[str, str]) -> Kind:
    known = await all_known(visit.store, name)
    found = [_registration(subject, Known.parse(stored)) for subject, stored in known.items()]
    found.sort(key=lambda each: (each.at or 0, each.subject), reverse=True)
    return Kind(words["title"], words["command"], len(found), found[:MOST])


def _registration(subject: str, known: Known) -> Registration:
    step = NEXT_STEPS.get(known.status)
    return Registration(subject, known.status, _milliseconds(known.at), known.changes, step.text if step else "")


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


PAGES = (Page("/registrations", registrations),)
