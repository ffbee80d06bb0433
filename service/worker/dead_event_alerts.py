"""Telling the log why events go dead: a line per cause and hour, over all workers, with what retries them."""

import shlex

import structlog
from redis.asyncio import Redis

from service.store.inbox.dead_letters import STEP, DeadCause, new_causes
from service.store.keys import Keys
from service.worker.arq_compat import FOREIGN_HANDLER

log = structlog.get_logger(__name__)

HOUR = 3600.0
MOST_STEPS = 20


async def tell_of_dead(redis: "Redis", keys: Keys) -> None:
    """Log what killed events since this was last called, by whichever worker."""
    for _ in range(MOST_STEPS):
        looked_at, causes = await new_causes(redis, keys, remember=HOUR)
        for cause in causes:
            _tell(cause)
        if looked_at < STEP:
            return


def _tell(cause: DeadCause) -> None:
    log.error(
        "events go dead: told once an hour for each cause",
        handler=cause.handler,
        reason=cause.reason,
        first=cause.event_id,
        look=_command("events show", cause.event_id),
        retry=_retry(cause),
    )


def _retry(cause: DeadCause) -> str:
    """The command that lets them run again, once what its error names is mended."""
    if cause.handler == FOREIGN_HANDLER:
        return _command("dead drop", cause.event_id)
    if cause.reason == "ambiguous":
        return _command("dead retry", cause.event_id) + " --sent (or --not-sent)"
    reason = ("--reason", cause.reason) if cause.reason else ()
    return _command("dead retry", "--handler", cause.handler, *reason)


def _command(command: str, *arguments: str) -> str:
    return f"ringback {command} {shlex.join(arguments)}"
