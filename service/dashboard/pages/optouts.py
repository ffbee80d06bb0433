"""Opt-outs: the numbers that must not be written to, and putting them there or taking them off."""

from starlette.exceptions import HTTPException

from service import clock
from service.dashboard.actions import Action, ActionResult, Choice, Fields, Question, time_of_question
from service.dashboard.number_token import number_of, token_of
from service.dashboard.routes import Page
from service.dashboard.visit import View, Visit, path_of
from service.events.phone_number import canonical_number
from service.messages.spellings import opt_in, opt_in_time, opt_out
from service.outbound.phone_numbers import one_spelling
from service.security.masking import mask_number
from service.store.facts.consent import OptOut, opt_out_page
from service.store.operators.sessions import number_secret
from service.store.place import Place

SHOWN = 100
HOW = "Give + and the country code, such as +13125550001, or a short code."


async def optouts(visit: Visit) -> View:
    """Show opt-outs, the latest first."""
    after = Place.parse(visit.query("after"))
    page = await opt_out_page(visit.store, limit=SHOWN, after=after)
    secret = await number_secret(visit.store)
    rows = [(each, _shown(each), _path(each, secret)) for each in page.opt_outs]
    data = {"rows": rows, "next": page.next, "number": page.number, "after": after}
    return View("optouts", data, live=after is None)


def _shown(opt_out: OptOut) -> str:
    return mask_number(opt_out.number) if opt_out.readable else "a number that cannot be read"


def _path(opt_out: OptOut, secret: bytes) -> str:
    return path_of("numbers", token_of(opt_out.number, secret)) if opt_out.readable else ""


async def number_in(visit: Visit, fields: Fields) -> str:
    """Return the number of a form: the one that its token stands for, or the one that was entered.

    Raises:
        HTTPException: it is none.
    """
    if token := fields.get("token"):
        number = number_of(token, await number_secret(visit.store))
    else:
        entered = fields.get("number", "").strip()
        number = canonical_number(entered)
        # Without its plus, a national form would be read as somebody else's number.
        is_whole = number is not None and number.startswith("+") == entered.startswith("+")
        number = one_spelling(number) if number is not None and is_whole else None
    if number is None:
        raise HTTPException(400, f"This is no number. {HOW}")
    return number


async def _ask_opt_out(visit: Visit, fields: Fields) -> Question:
    choices = () if fields.get("token") else (Choice("number", "Number"),)
    shown = mask_number(await number_in(visit, fields)) if fields.get("token") else "a number"
    text = "Nothing is sent to it any more, and messages that wait for it are cancelled. Its START does not lift that."
    return Question(f"Opt {shown} out?", text, "Opt out", _back(fields), choices=choices)


async def _opt_out(visit: Visit, fields: Fields) -> ActionResult:
    await opt_out(visit.store, await number_in(visit, fields), at=clock.now())
    return ActionResult(_back(fields), "opted_out")


async def _ask_opt_in(visit: Visit, fields: Fields) -> Question:
    number, now = await number_in(visit, fields), clock.now()
    at = await opt_in_time(visit.store, number, now) or now
    text = "Only where the person has asked for it. Telnyx's own block, if there is one, stays until they send START."
    title, hidden = f"Opt {mask_number(number)} in again?", {"at": f"{at * 1000:.0f}"}
    return Question(title, text, "Opt in", _back(fields), danger=True, hidden=hidden)


async def _opt_in(visit: Visit, fields: Fields) -> ActionResult:
    number = await number_in(visit, fields)
    at, asked = await opt_in_time(visit.store, number, clock.now()), time_of_question(fields, "at")
    if at is None:
        return ActionResult(_back(fields), "unchanged")
    if asked is not None:
        # A STOP that came while the question stood is later, and holds.
        at = min(at, asked / 1000)
    is_in = await opt_in(visit.store, number, at=at)
    return ActionResult(_back(fields), "opted_in" if is_in else "opted_out_again")


def _back(fields: Fields) -> str:
    return path_of("numbers", fields["token"]) if fields.get("token") else "/optouts"


async def _about(visit: Visit, fields: Fields) -> Fields:
    return {"number": mask_number(await number_in(visit, fields))}


ACTIONS = (
    Action("/opt-out", "optouts add", ("token",), _ask_opt_out, _opt_out, about=_about),
    Action("/opt-in", "optouts remove", ("token",), _ask_opt_in, _opt_in, about=_about),
)
PAGES = (Page("/optouts", optouts), *(page for action in ACTIONS for page in action.pages()))
