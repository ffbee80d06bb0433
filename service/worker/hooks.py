"""arq's hooks, which belong to the author of the handlers."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from service.security.masking import describe_error

log = structlog.get_logger(__name__)

Hook = Callable[[dict[str, Any]], Awaitable[None]]


def contained(hook: Hook | None) -> Hook | None:
    """A hook whose errors are logged: they must neither end the worker nor strand the job."""
    if hook is None:
        return None

    async def run(ctx: dict[str, Any]) -> None:
        try:
            await hook(ctx)
        except Exception as error:  # noqa: BLE001 - the author's own code
            where = describe_error(error)
            log.error("a hook broke", job=ctx.get("job_id"), error=where)  # noqa: TRY400 - its text may be private

    return run
