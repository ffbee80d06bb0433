"""The limit: the server of `ringback ingress`, which verifies each request and keeps nothing."""

import gc
import os
import time

import uvicorn
from starlette.types import Receive, Scope, Send

from service.ingress.http_protocol import bounded_config
from service.security.telnyx_signature import PublicKey, read_signature_headers

KEYS = (PublicKey.parse(os.environ["TELNYX_PUBLIC_KEY"]),)
ANSWER = b'{"status":"accepted"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Verify one request. An invalid signature ends in 500."""
    signature = read_signature_headers(scope["headers"], time.time())
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    signature.prove(body, KEYS)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


def main() -> None:
    """Serve on the port that BENCH_PORT names."""
    config = bounded_config(app, keep_alive=75)
    config.port = int(os.environ["BENCH_PORT"])
    # As the ingress does.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
