"""Jobs in our queue that are no events of ours: cron jobs, other arq functions, and what should not be there."""

from dataclasses import dataclass

import orjson

FOREIGN_HANDLER = "queue"
"""What stands in the place of a handler in the dead event that keeps such a job (`quarantine.lua`)."""


@dataclass(frozen=True, slots=True)
class ForeignJob:
    """The function that a job asks for, if any; `reason` and `words` apply where nobody here knows it."""

    name: str | None
    reason: str
    words: str


NO_EVENT = ForeignJob("process", "no_event", "it asks to process an event of which there is no record")

UNREADABLE = ForeignJob(None, "corrupt_job", "its id is no text in UTF-8, so that it is no job of anybody's")


def asked_function(data: bytes | None) -> ForeignJob:
    """Read a job's data, which anybody may have written: JSON only, never a pickle."""
    if data is None:
        return ForeignJob(None, "no_job", "the queue names it, and there is neither an event nor a job behind it")
    try:
        function = orjson.loads(data)["f"]
    except (ValueError, TypeError, KeyError):
        return ForeignJob(None, "corrupt_job", "its data is not the JSON of a job; pickles are never read")
    if not isinstance(function, str):
        return ForeignJob(None, "corrupt_job", "its data names no function")
    if function == NO_EVENT.name:
        return NO_EVENT
    return ForeignJob(function, "unknown_function", f"no function of the name {function[:80]!r} is known here")
