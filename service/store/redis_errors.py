"""Errors of Redis in words: what failed, where, and what to do next.

A foreign exception's own text never gets into them: it may hold a login or a URL.
"""

import asyncio
import re
import socket
import ssl
import tomllib
from collections.abc import Iterator
from importlib.resources import files

from redis import exceptions
from redis.sentinel import MasterNotFoundError

WRONG_SERVER = frozenset(
    {"READONLY", "MASTERDOWN", "MOVED", "UNBLOCKED", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "ASK", "DENIED"}
)
"""First words of answers of a server that is not the one to ask, or that closes the connection."""

_PASSING = WRONG_SERVER | {"LOADING", "OOM", "MISCONF", "BUSY", "NOSCRIPT"}
_CODE = re.compile(r"[A-Z][A-Z_]{2,30}\b")
_COMMAND = re.compile(r"'([A-Za-z|._-]{1,40})'")
_ELSEWHERE = "non local key"
_CLUSTER = ("same slot", _ELSEWHERE, "undeclared key")
_TLS_RECORDS = ("\\x15", "\x15", "b'\\x15", "\\x16", "\x16")


class WrongServer(exceptions.ConnectionError):
    """The server is not, or no longer, the one to ask. The connection to it has been dropped."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotReplicated(exceptions.RedisError):
    """Too few replicas confirmed a write. It stands on the primary, and a failover may lose it."""

    def __init__(self, wanted: int, confirmed: int) -> None:
        super().__init__(f"{confirmed} of {wanted} replicas confirmed the write in time")


def is_outage(error: BaseException) -> bool:
    """Return whether the server cannot be used for now, rather than that it refuses this very command."""
    unreachable = (exceptions.ConnectionError, exceptions.TimeoutError, NotReplicated)
    return isinstance(error, unreachable) or error_code(error) in _PASSING


def error_code(error: BaseException) -> str | None:
    """Return the first word of the server's answer, such as `MISCONF`, or None where it gave none."""
    if isinstance(error, WrongServer):
        return error.code
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    if isinstance(error, exceptions.ResponseError) and _is_denied(error):
        return "NOPERM"
    # In a script, while the slot moves to another server or has gone there.
    if isinstance(error, exceptions.ResponseError) and _ELSEWHERE in str(error):
        return "MOVED"
    found = _CODE.match(str(error)) if isinstance(error, exceptions.ResponseError) else None
    return found[0] if found else None


def wrong_server(error: BaseException) -> str | None:
    """Return the code of an error, or of its cause, that says that another server is to be asked."""
    for each in _chain(error):
        code = error_code(each) if isinstance(each, exceptions.RedisError) else None
        if code in WRONG_SERVER:
            return code
    return None


def is_cluster_refusal(error: BaseException) -> bool:
    """Return whether only a server in cluster mode answers so."""
    code = error_code(error)
    return code in ("MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "TRYAGAIN") or any(
        each in str(error) for each in _CLUSTER if isinstance(error, exceptions.ResponseError)
    )


def describe_cause(error: BaseException) -> str:
    """Return the cause in a few words. They are of a bounded number, so they fit a metric's label."""
    if _is_denied(error):
        return f"NOPERM: {_permission(error)}"
    if isinstance(error, NotReplicated):
        return str(error)
    if error_code(error) != "CLUSTERDOWN" and is_cluster_refusal(error):
        return "the server is in cluster mode, or the slot is on another server"
    if code := error_code(error):
        return f"{code}: {_MEANINGS[code]}" if code in _MEANINGS else code
    return _connection_cause(error)


def describe_redis_error(error: BaseException, where: object) -> str:
    """Return what failed at which Redis and what to do. `where` is an address without a login."""
    cause = describe_cause(error)
    advice = next(
        (each["text"] for each in _WORDS["advice"] if each["words"] in cause), "check REDIS_URL and the server"
    )
    return f"Redis at {where}: {cause}. Next: {advice}"


_CODES: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.NoPermissionError, "NOPERM"),
)

_WORDS = tomllib.loads((files(__package__) / "redis_errors.toml").read_text("utf-8"))
_MEANINGS: dict[str, str] = _WORDS["meanings"]


def _is_denied(error: BaseException) -> bool:
    """Return whether the user lacks a right. Within a script the server says so in other words."""
    return isinstance(error, exceptions.NoPermissionError) or (
        isinstance(error, exceptions.ResponseError) and str(error).startswith("ACL failure in script")
    )


def _permission(error: BaseException) -> str:
    found = _COMMAND.search(str(error))
    if found:
        return f"the Redis user may not run {found[1].upper().replace('|', ' ')}"
    return "the Redis user may not touch a key that is needed"


def _connection_cause(error: BaseException) -> str:
    chain = list(_chain(error))
    if any(getattr(each, "verify_code", 0) in _WRONG_NAME for each in chain):
        return "its certificate names another host"
    for kind, words in _CAUSES:
        if any(isinstance(each, kind) for each in chain):
            return words
    if any(isinstance(each, ssl.SSLError) for each in chain):
        return "it does not speak TLS" if _is_plain(chain) else "the TLS handshake fails"
    text = " ".join(str(each) for each in chain)
    if any(each in text for each in _TLS_RECORDS) and any(
        isinstance(each, exceptions.InvalidResponse) for each in chain
    ):
        return "it wants TLS"
    unknown = "no connection" if isinstance(error, exceptions.ConnectionError | OSError) else type(error).__name__
    return next((each["text"] for each in _WORDS["cause"] if each["words"] in text), unknown)


def _is_plain(chain: list[BaseException]) -> bool:
    reasons = {each.reason for each in chain if isinstance(each, ssl.SSLError)}
    return bool(reasons & {"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


_WRONG_NAME = frozenset({62, 64})
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
_CAUSES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (MasterNotFoundError, "no sentinel knows that master, or none answers"),
    (exceptions.AuthenticationError, "the user name or password is wrong, or one is missing"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (socket.gaierror, "no such host"),
    (ConnectionRefusedError, "connection refused"),
    (FileNotFoundError, "there is no socket at that path"),
    (PermissionError, "this process may not open the socket"),
    ((exceptions.TimeoutError, asyncio.TimeoutError, socket.timeout), "no answer in time"),
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that it was raised for."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
