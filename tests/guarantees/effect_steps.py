"""The steps of an effect, at each of which a worker dies if a test asks for it.

Workers import this module beside their handlers. The file `kill-<step>` in the working directory asks for one death.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from service.outbound import effect_rules
from service.outbound.errors import TelnyxResponse
from service.outbound.run_ledger import RunLedger
from service.outbound.sender import EffectRequest, Sender

STEPS = ["looked up", "intent written", "request sent", "answer received", "answer stored"]
AT_TELNYX = Path("at telnyx")
"""A file that the test writes once Telnyx has the request."""


def die_where_asked() -> None:
    """From now on, this worker dies at the steps for which a test asks; what Telnyx created shows after 0.3 s."""
    effect_rules.SHOWS_AT_TELNYX = 300
    for name, before, after in (
        ("entry_of", None, "looked up"),
        ("begin", None, "intent written"),
        ("end", "answer received", "answer stored"),
    ):
        setattr(RunLedger, name, _dying(getattr(RunLedger, name), before, after))
    setattr(Sender, "send", _dying_mid_send(Sender.send))  # noqa: B010 - mypy takes no assignment to a method


def _die(step: str | None) -> None:
    if step is not None and (asked := Path(f"kill-{step}")).exists():
        asked.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _dying(
    original: Callable[..., Awaitable[Any]], before: str | None, after: str | None
) -> Callable[..., Awaitable[Any]]:
    async def step(*args: Any, **kwargs: Any) -> Any:
        _die(before)
        result = await original(*args, **kwargs)
        _die(after)
        return result

    return step


def _arrived(wanted: EffectRequest) -> bool:
    return wanted.left and AT_TELNYX.exists()


def _dying_mid_send(
    send: Callable[[Sender, httpx.Request, EffectRequest], Awaitable[TelnyxResponse | None]],
) -> Callable[[Sender, httpx.Request, EffectRequest], Awaitable[TelnyxResponse | None]]:
    async def step(self: Sender, original: httpx.Request, wanted: EffectRequest) -> TelnyxResponse | None:
        sending = asyncio.ensure_future(send(self, original, wanted))
        while not _arrived(wanted) and not sending.done():  # noqa: ASYNC110 - another process writes the file
            await asyncio.sleep(0.005)
        _die("request sent")
        return await sending

    return step
