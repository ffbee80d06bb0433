"""The opt-out words that a policy adds, read in one way by the ingress and the handlers.

The ingress does not load what the rest of a policy needs, and a mistake elsewhere in the file does not stop reception.
"""

import tomllib
from functools import cache
from pathlib import Path

import structlog

from service.events.opt_out_words import normalise_all

log = structlog.get_logger(__name__)

FIELD = "opt_out_words"


@cache
def opt_out_words(policy: Path | None) -> frozenset[str]:
    """Return the words in normal form that a policy adds; the file is read once in a process.

    A file that cannot be read adds none, and the log says so: the words that the law names are heeded all the same.
    """
    if policy is None:
        return frozenset()
    try:
        words = tomllib.loads(policy.read_bytes().decode()).get(FIELD, [])
    except (OSError, ValueError) as error:
        log.error(  # noqa: TRY400 - the place in our code helps nobody
            "the opt-out words of RINGBACK_POLICY cannot be read: mend the file and start again",
            file=str(policy),
            error=type(error).__name__,
        )
        return frozenset()
    return normalise_all([each for each in words if isinstance(each, str)] if isinstance(words, list) else [])
