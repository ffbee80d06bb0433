"""The message and the exit code of a failed command."""

import sys
from typing import NoReturn

from redis.exceptions import RedisError

from service.cli.inspect.config import redis_address
from service.cli.output import BAD_USAGE, FAILED, say_block
from service.processes.data_folder import EmbeddedServerError
from service.processes.disk_space import is_full
from service.processes.sockets import CannotListen
from service.security.masking import describe_error
from service.settings import InvalidSettings, load
from service.store.facts.consent import KeyMissing
from service.store.redis_errors import describe_redis_error
from service.worker.load_router import CannotLoadHandlers


def exit_with(error: Exception) -> NoReturn:
    """Say in a line what a person can fix, and end with exit code 2 or 1."""
    say_block(_in_words(error), err=True)
    sys.exit(BAD_USAGE if isinstance(error, InvalidSettings | CannotLoadHandlers) else FAILED)


def _in_words(error: Exception) -> str:
    match error:
        case InvalidSettings() | CannotLoadHandlers() | EmbeddedServerError() | CannotListen() | KeyMissing():
            return str(error)
        case RedisError():
            return describe_redis_error(error, redis_address(load()))
        case OSError() if is_full(error):
            return "the disk is full, so the output is not complete: make room on it, then repeat the command"
        case _:
            # Its own text may hold a secret or a message.
            return f"a fault of Ringback's own: {describe_error(error)}. Please report it"
