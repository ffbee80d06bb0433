"""Access to the controls: for programs on this machine, and for no web page in its browser.

A page of any site can send requests to loopback, and a name of its own can resolve to it (DNS rebinding). So the host
must be loopback or named at the simulator's start, the origin must be the simulator's own, and a body must be
declared as JSON, which a page cannot do without the consent of the server.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from service.processes.loopback import is_loopback
from service.testing.simulator.api.api_error import ApiError, Problem


async def check_access(request: Request, hosts: frozenset[str]) -> None:
    """Let a request pass that a program on this machine, or for one of `hosts`, has made.

    Raises:
        ApiError: it is another host's (403) or another page's (403), or its body is not declared as JSON (415).
    """
    host = request.headers.get("host", "")
    if not _is_known(host, hosts) or len(request.headers.getlist("host")) != 1:
        raise _refused(403, "The Host header must be loopback: give another name by --control-host.")
    origins = request.headers.getlist("origin")
    if any(urlsplit(each).netloc.lower() != host.lower() for each in origins) or _is_cross_site(request):
        raise _refused(403, "The controls are not for pages of other origins.")
    declared = request.headers.get("content-type")
    if (declared is not None or await request.body()) and _media_type(declared) != "application/json":
        raise _refused(415, "The Content-Type must be application/json, as curl --json sets it.")


def _is_known(host: str, hosts: frozenset[str]) -> bool:
    if "@" in host:
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name in hosts


def _is_cross_site(request: Request) -> bool:
    return request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}


def _media_type(declared: str | None) -> str:
    return (declared or "").partition(";")[0].strip().lower()


def _refused(status: int, detail: str) -> ApiError:
    return ApiError(status, [Problem("10005", "Not a request for the controls", detail)])
