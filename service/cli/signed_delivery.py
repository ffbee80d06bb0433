"""Deliveries of signed webhooks, as Telnyx makes them."""

import errno
import json
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from nacl.signing import SigningKey

from service.security.telnyx_signature import sign
from service.settings import Settings

SECONDS = 10.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: Telnyx counts a redirect as a failure."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request."""


def local_webhooks(settings: Settings) -> str:
    """Return the URL of the ingress on this machine."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}/webhooks"


def deliver(url: str, body: Any, key: SigningKey, *, age: int = 0) -> tuple[int, str]:
    """Post a body as Telnyx does, signed `age` seconds ago, and return the status and the text of the answer.

    Raises:
        OSError: nobody answers, or not in HTTP.
    """
    raw = json.dumps(body).encode()
    headers = {**sign(raw, key, int(time.time()) - age), "content-type": "application/json"}
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(urllib.request.Request(url, raw, headers), timeout=SECONDS) as response:
            return int(response.status), response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except HTTPException:
        raise OSError(errno.EPROTO, "the answer is no HTTP") from None
