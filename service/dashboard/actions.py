"""Changes by people. Each asks on a page of its own, and is put on record before it is carried out."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit
from service.security.dashboard_users import Role
from service.store.operators.audit_log import Actor, record_action

Fields = Mapping[str, str]
_TIME = re.compile("[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Choice:
    """A field of a question: name, label, value at first, and the values that it may have (none: any)."""

    name: str
    label: str
    value: str = ""
    options: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """A question before a change: its title, the consequences, and the button that carries it out.

    `back` is the page to return to. `is_off` says that there is nothing to carry out. `hidden` are further fields of
    its form.
    """

    title: str
    text: str
    button: str
    back: str
    danger: bool = False
    choices: tuple[Choice, ...] = ()
    is_off: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The page that follows a change, and the notice that it shows: a key of `notices.toml`, and its number."""

    path: str
    notice: str
    number: int = 0


async def _nothing(_: Visit, __: Fields) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Action:
    """One kind of change. `fields` are those of its question's link, and go back with the form.

    `command` is the command that does the same: the audit log has one word for both.
    """

    path: str
    command: str
    fields: tuple[str, ...]
    ask: Callable[[Visit, Fields], Awaitable[Question]]
    act: Callable[[Visit, Fields], Awaitable[ActionResult]]
    role: Role = "operator"
    about: Callable[[Visit, Fields], Awaitable[Mapping[str, Any]]] = _nothing

    def pages(self) -> tuple[Page, Page]:
        """Return the page that asks, and the route that carries it out."""
        return (
            Page(self.path, partial(_ask, self), self.role),
            Page(self.path, partial(_carry_out, self), self.role, methods=("POST",)),
        )


async def on_record(visit: Visit, command: str, about: Mapping[str, Any]) -> None:
    """Put into the audit log what a visitor is about to do or to see.

    Raises:
        redis.exceptions.RedisError: nothing was recorded, so nothing may be done or shown.
    """
    await record_action(visit.store, Actor(visit.actor, "dashboard"), command, about)


async def _ask(action: Action, visit: Visit) -> View:
    given = {name: visit.query(name) for name in action.fields}
    question = await action.ask(visit, given)
    return View("ask", {"question": question, "action": action.path, "hidden": {**given, **question.hidden}})


async def _carry_out(action: Action, visit: Visit) -> Response:
    given = await visit.form()
    await on_record(visit, action.command, await action.about(visit, given))
    outcome = await action.act(visit, given)
    return visit.go_to(outcome.path, notice=outcome.notice, number=outcome.number)


def time_of_question(fields: Fields, name: str) -> int | None:
    """Return the time (ms) that a question has put into its form. None where a request brings none that can be read."""
    given = fields.get(name, "")
    return int(given) if _TIME.fullmatch(given) else None


def required(fields: Fields, name: str) -> str:
    """Return a field.

    Raises:
        HTTPException: it is missing.
    """
    value = fields.get(name, "")
    if not value:
        raise HTTPException(400, f"The field {name} is missing. Go back, and begin again.")
    return value
