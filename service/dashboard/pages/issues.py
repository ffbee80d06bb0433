"""Issues: the dead events by cause, and the state that an operator gives to each cause."""

import re
from collections import Counter
from functools import partial
from typing import get_args

from starlette.exceptions import HTTPException

from service.dashboard.actions import Action, ActionResult, Fields, Question, required
from service.dashboard.event_rows import rows_of
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit, path_of
from service.store.inbox.event_pages import event_page
from service.store.inbox.search import EventFilter
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import UNENDED, read_jobs
from service.store.operators.issues import Issue, IssueState, ShownState, issue_history, read_issues, state_issue
from service.store.place import Place

SHOWN = 50
EVENTS = 20
SECONDS = 0.04
_START = re.compile(r"[0-9]{1,9}")
_CURRENT: tuple[ShownState, ...] = ("open", "reopened", "acknowledged")
_WORDS: dict[IssueState, tuple[str, str, str]] = {
    "acknowledged": ("Acknowledge", "Others see that somebody takes care of it.", "acknowledged"),
    "resolved": ("Resolve", "It leaves the list. The next event that dies for this re-opens it.", "resolved"),
    "ignored": ("Ignore", "It leaves the list, and stays out of it whatever dies.", "ignored"),
    "open": ("Re-open", "It comes back into the list.", "reopened"),
}
"""By state: the button, the consequence, and the notice."""


async def issues(visit: Visit) -> View:
    """Show the causes for which events are dead, the latest death first."""
    found = await read_issues(visit.store)
    state = visit.query("state")
    wanted = [state] if state in get_args(ShownState) else _CURRENT
    chosen = [each for each in found if each.state in wanted and (each.count or state)]
    start = min(int(number) if _START.fullmatch(number := visit.query("from")) else 0, len(chosen))
    page = chosen[start : start + SHOWN]
    data = {
        "issues": page,
        "history": await issue_history(visit.store, [each.id for each in page]) if page else {},
        "numbers": Counter(each.state for each in found if each.count or each.stated != "open"),
        "states": get_args(ShownState),
        "state": state,
        "next": start + SHOWN if start + SHOWN < len(chosen) else None,
        "jobs": [each for each in await read_jobs(visit.store) if each.state in UNENDED],
        "dead": sum(each.count for each in chosen),
    }
    return View("issues", data, live=not start)


async def issue(visit: Visit) -> View:
    """Show one cause, and its events."""
    found = await issue_named(visit, visit.request.path_params["issue"])
    after = Place.parse(visit.query("after"))
    page = await event_page(
        visit.store, EventFilter(state="dead"), limit=EVENTS, seconds=SECONDS, after=after, issue=found.id
    )
    data = {
        "issue": found,
        "bars": (await issue_history(visit.store, [found.id]))[found.id],
        "rows": rows_of(page.records),
        "next": page.next,
        "after": after,
        "choices": [(state, words[0]) for state, words in _WORDS.items() if state != found.stated],
    }
    return View("issue", data, live=after is None)


async def issue_named(visit: Visit, issue_id: str) -> Issue:
    """Return an issue.

    Raises:
        HTTPException: there is none with this id.
    """
    found = next((each for each in await read_issues(visit.store) if each.id == issue_id), None)
    if found is None:
        raise HTTPException(404, "There is no such issue. Its events may have expired.")
    return found


async def _ask(state: IssueState, visit: Visit, fields: Fields) -> Question:
    found = await issue_named(visit, required(fields, "issue"))
    button, text, _ = _WORDS[state]
    return Question(f"{button} {found.handler}: {found.reason}?", text, button, path_of("issues", found.id))


async def _state(state: IssueState, visit: Visit, fields: Fields) -> ActionResult:
    found = await issue_named(visit, required(fields, "issue"))
    await state_issue(visit.store, found.id, state, Actor(visit.actor, "dashboard"))
    return ActionResult(path_of("issues", found.id), _WORDS[state][2])


async def _about(visit: Visit, fields: Fields) -> Fields:
    found = await issue_named(visit, required(fields, "issue"))
    return {"handler": found.handler, "reason": found.reason}


def _action(state: IssueState) -> Action:
    name = _WORDS[state][0].lower()
    return Action(f"/{name}", f"issues {name}", ("issue",), partial(_ask, state), partial(_state, state), about=_about)


ACTIONS = tuple(map(_action, _WORDS))
PAGES = (
    Page("/issues", issues),
    Page("/issues/{issue}", issue),
    *(page for action in ACTIONS for page in action.pages()),
)
