"""Deliveries to a path that is none of ours: Telnyx has a wrong URL, and nobody would notice otherwise."""

from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service import clock
from service.ingress.metrics import IngressMetrics
from service.security.masking import mask_numbers

log = structlog.get_logger(__name__)

MAX_PATHS = 100
MAX_PATH_LENGTH = 200
PAUSE = 3600.0
"""Seconds between two lines about one path."""
_SENT_BY_TELNYX = b"telnyx-"
_HINT = "set webhook_url to https://HOST/webhooks: ringback webhooks plan shows which agents and profiles differ"


class WrongAddress:
    """The answers to other paths and other methods. Requests with Telnyx's headers are counted and logged."""

    def __init__(self, metrics: IngressMetrics) -> None:
        self._metrics = metrics
        self._logged: dict[str, float] = {}

    async def no_such_path(self, request: Request, _: Exception) -> Response:
        """Answer 404."""
        return self._answer(request.scope, 404, "no such path")

    async def no_such_method(self, request: Request, error: Exception) -> Response:
        """Answer 405."""
        answer = self._answer(request.scope, 405, "method not allowed")
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer

    def note(self, scope: Mapping[str, Any], status: int, reason: str) -> None:
        """Count and log a request, if it bears headers of Telnyx's."""
        if not any(name.startswith(_SENT_BY_TELNYX) for name, _ in scope["headers"]):
            return
        self._metrics.misdirected(status, reason)
        path = _printable(scope["path"])
        if self._is_due(path):
            log.warning("delivery to a wrong address", status=status, method=scope["method"], path=path, hint=_HINT)

    def _answer(self, scope: Mapping[str, Any], status: int, reason: str) -> Response:
        self.note(scope, status, reason)
        return JSONResponse({"error": reason}, status_code=status)

    def _is_due(self, path: str) -> bool:
        """Return False for a path that was logged within the last hour, or where 100 others were."""
        now = clock.now()
        self._logged = {each: at for each, at in self._logged.items() if abs(now - at) < PAUSE}
        if path in self._logged or len(self._logged) >= MAX_PATHS:
            return False
        self._logged[path] = now
        return True


def _printable(path: str) -> str:
    """Return a path in a form that a log may show."""
    shown = "".join(each if each.isascii() and each.isprintable() else "?" for each in path[:MAX_PATH_LENGTH])
    return mask_numbers(shown)
