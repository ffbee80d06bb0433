"""The pages for anybody: static files, and signing in and out."""

from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.dashboard.rendering import static_file
from service.dashboard.request_origin import client_address, is_secure
from service.dashboard.routes import Page
from service.dashboard.sign_in import SESSION_SECONDS, WINDOW, SignInRefused, own_path
from service.dashboard.visit import View, Visit
from service.dashboard.visitor import cookie_name
from service.store.operators.sessions import close_session

_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_WRONG = "This name and this password do not belong together."
_TOO_MANY = "There were too many attempts. Wait five minutes, then try again."


async def static(visit: Visit) -> Response:
    """Answer with a static file. Its URL changes with it."""
    name = visit.request.path_params["name"]
    content = static_file(name)
    if content is None:
        raise HTTPException(404)
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=_KINDS[name.rpartition(".")[2]], headers=kept)


async def show_sign_in(visit: Visit) -> View | Response:
    """Show the form for name and password. Without passwords there is none to show."""
    if not visit.signs_in or visit.visitor is not None:
        return visit.go_to("/")
    return _form(visit.query("next"))


async def sign_in(visit: Visit) -> View | Response:
    """Sign a user in, and go on to the page that was asked for."""
    form = await visit.form()
    address = client_address(visit.request, visit.request.app.state.access.proxies)
    try:
        desk = visit.request.app.state.sign_in
        token = await desk.attempt(form.get("name", "").strip(), form.get("password", ""), address=address)
    except SignInRefused as refused:
        view = _form(form.get("next", ""), _TOO_MANY if refused.too_many else _WRONG, 429 if refused.too_many else 401)
        answer = visit.answer(view)
        if refused.too_many:
            answer.headers["retry-after"] = str(int(WINDOW))
        return answer
    answer = visit.go_to(own_path(form.get("next", "")))
    _set_cookie(visit, answer, token, int(SESSION_SECONDS))
    return answer


async def sign_out(visit: Visit) -> Response:
    """End the session, everywhere."""
    name = cookie_name(visit.request, visit.request.app.state.access.proxies)
    await close_session(visit.store, visit.request.cookies.get(name, ""))
    answer = visit.go_to("/sign-in")
    _set_cookie(visit, answer, "", 0)
    return answer


def _form(after: str, refused: str = "", status: int = 200) -> View:
    return View("sign_in", {"next": own_path(after), "refused": refused}, status)


def _set_cookie(visit: Visit, answer: Response, token: str, seconds: int) -> None:
    proxies = visit.request.app.state.access.proxies
    answer.set_cookie(
        cookie_name(visit.request, proxies),
        token,
        max_age=seconds,
        path=visit.root or "/",
        secure=is_secure(visit.request, proxies),
        httponly=True,
        samesite="strict",
    )


PAGES = (
    Page("/static/{name}", static, role=None),
    Page("/sign-in", show_sign_in, role=None),
    Page("/sign-in", sign_in, role=None, methods=("POST",)),
    Page("/sign-out", sign_out, methods=("POST",)),
)
