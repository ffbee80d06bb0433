"""The ASGI application of the ingress, which hands webhooks on before Starlette's middleware and router.

Those cost a tenth of a request.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from service.ingress.webhook_endpoint import Reception
from service.ingress.whole_requests import Taker, Turns


class WebhookApplication(Starlette):
    """Starlette, with a reception for each path of `receptions`."""

    def __init__(self, receptions: Mapping[str, Reception], **options: Any) -> None:
        super().__init__(**options)
        self._receptions = receptions
        turns = Turns()
        self._takers = {path.encode(): partial(turns.add, each.take) for path, each in receptions.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reception = self._receptions.get(scope["path"]) if scope["type"] == "http" else None
        if reception is None or scope.get("root_path") or self.user_middleware:
            await super().__call__(scope, receive, send)
        else:
            await reception(scope, receive, send)

    def taker(self, url: bytes, server: tuple[str, int | None] | None) -> Taker | None:
        """Return the function that takes a webhook whose whole body is here."""
        del server
        return None if self.user_middleware else self._takers.get(url)
