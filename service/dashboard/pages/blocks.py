"""Blocks: outages, refusals of the account and pauses, for which work is parked."""

from service.dashboard.actions import Action, ActionResult, Choice, Fields, Question
from service.dashboard.handler_types import handler_types
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.store.effects.blocks import ALL, PAUSED, open_blocks, pause, paused, probe, resume

EVERY = "every handler"


async def blocks(visit: Visit) -> View:
    """Show the open blocks."""
    found = await open_blocks(visit.store)
    data = {"blocks": found, "paused": sorted(await paused(visit.store)), "all": ALL, "pause_kind": PAUSED}
    return View("blocks", data, live=True)


async def _ask_pause(visit: Visit, _: Fields) -> Question:
    names = await handler_types(visit.settings)
    return Question(
        "Pause a handler?",
        "Its events wait until somebody resumes it, within RINGBACK_MAX_WAIT. Reception goes on.",
        "Pause",
        "/blocks",
        choices=(Choice("handler", "Handler", options=(EVERY, *sorted(names))),),
    )


async def _pause(visit: Visit, fields: Fields) -> ActionResult:
    name = fields.get("handler", "")
    # A misspelt name would pause nothing.
    if name != EVERY and name not in await handler_types(visit.settings):
        return ActionResult("/blocks", "unchanged")
    changed = await pause(visit.store, ALL if name == EVERY else name)
    return ActionResult("/blocks", "paused" if changed else "unchanged")


async def _ask_resume(_: Visit, fields: Fields) -> Question:
    name = fields.get("handler", "")
    subject = EVERY if name == ALL else name
    return Question(f"Resume {subject}?", "The events that wait for it run now.", "Resume", "/blocks")


async def _resume(visit: Visit, fields: Fields) -> ActionResult:
    held = await resume(visit.store, fields.get("handler", ""))
    return ActionResult("/blocks", "unchanged" if held is None else "resumed", held or 0)


async def _ask_probe(_: Visit, __: Fields) -> Question:
    return Question(
        "Try the account again at once?",
        "One event of each block runs now, instead of within a minute. Where Telnyx takes it, the block is lifted.",
        "Try again",
        "/blocks",
    )


async def _probe(visit: Visit, _: Fields) -> ActionResult:
    return ActionResult("/blocks", "probed", await probe(visit.store, at_once=True))


async def _about(_: Visit, fields: Fields) -> Fields:
    return {"handler": fields.get("handler", "")}


ACTIONS = (
    Action("/pause", "pause", (), _ask_pause, _pause, about=_about),
    Action("/resume", "resume", ("handler",), _ask_resume, _resume, about=_about),
    Action("/probe", "blocks probe", (), _ask_probe, _probe),
)
PAGES = (Page("/blocks", blocks), *(page for action in ACTIONS for page in action.pages()))
