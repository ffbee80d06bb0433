"""`ringback doctor`: checks of this configuration and deployment."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import typer
from redis.exceptions import RedisError
from telnyx import AsyncTelnyx

from service import clock
from service.cli.connections import with_redis
from service.cli.inspect.config import redis_address
from service.cli.options import JsonOption, YesOption, e164
from service.cli.output import confirm, fail, say, say_json
from service.cli.run.startup import exposure_warnings
from service.cli.telnyx.session import with_telnyx, with_telnyx_and_redis
from service.outbound.api_call import idempotency_key
from service.processes.data_folder import EmbeddedServerError
from service.security.masking import mask_number
from service.settings import InvalidSettings, Settings, load, unknown_variables
from service.store.facts.remembered import Probe, latest_probe, remember_probe
from service.store.inbox.maintenance import ENOUGH, blocked_workers, forecast_memory
from service.store.permissions import worker_needs
from service.store.redis_errors import describe_redis_error
from service.store.server_checks import check_encryption, check_server, trouble_working
from service.store.store import Store
from service.worker.load_router import CannotLoadHandlers, load_router
from service.worker.startup_warnings import misspelt_types

Check = Callable[[Settings], str]


class CheckFailed(Exception):
    """A failed check. The text says why, and what to do."""


class Warned(Exception):
    """A risk that is no failure. The text names it, and says what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    status: Literal["ok", "warning", "failed"]
    told: str


def doctor(
    *,
    probe_idempotency: Annotated[
        str | None, typer.Option(metavar="TO", parser=e164, help="Send one SMS to this number twice under one key.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check variables, handlers, Redis, the account and its idempotency.

    Nothing is sent, unless --probe-idempotency asks for it.

    Exit codes: 0 no check failed (there may be warnings), 1 a check failed, 2 bad usage.
    """
    settings = load()
    if probe_idempotency is not None:
        probe(settings, probe_idempotency, yes=yes)
        return
    findings = [_finding(name, check, settings) for name, check in _CHECKS.items()]
    if as_json:
        say_json(findings)
    else:
        for each in findings:
            say(f"{each.status:<7}  {each.check}: {each.told}")
    if any(each.status == "failed" for each in findings):
        raise typer.Exit(1)


def _finding(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return Finding(name, "ok", check(settings))
    except Warned as warned:
        return Finding(name, "warning", str(warned))
    except (CheckFailed, InvalidSettings, CannotLoadHandlers, EmbeddedServerError) as error:
        return Finding(name, "failed", str(error))
    except RedisError as error:
        return Finding(name, "failed", describe_redis_error(error, redis_address(settings)))


def _raise_any(kind: type[Exception], problems: Iterable[str]) -> None:
    if told := "; ".join(problems):
        raise kind(told)


def _variables(_: Settings) -> str:
    _raise_any(CheckFailed, unknown_variables())
    return "all are known"


def _files(settings: Settings) -> str:
    """Look whether others on this machine can change the data folder, a key file or `.env`."""
    _raise_any(Warned, exposure_warnings(settings))
    return "nobody else can change them"


def _handlers(settings: Settings) -> str:
    router = load_router(settings.handlers)
    _raise_any(Warned, misspelt_types(router, settings))
    return f"HANDLERS has {', '.join(router.subscriptions) or 'none'}"


def _public_key(settings: Settings) -> str:
    keys = settings.require_public_keys()
    return f"{len(keys)} in force, {', '.join(key.fingerprint for key in keys)}"


def _account(_: Settings) -> str:
    """Try the API key. Reading a messaging profile changes nothing."""
    with_telnyx(lambda telnyx: telnyx.messaging_profiles.list(page_size=1), telling=CheckFailed)
    return "Telnyx takes TELNYX_API_KEY"


def _redis(_: Settings) -> str:
    if trouble := with_redis(lambda store: trouble_working(store, worker_needs())):
        raise CheckFailed(trouble)
    found = with_redis(lambda store: check_server(store.redis))
    _raise_any(CheckFailed if found.risks else Warned, [*found.risks, *found.warnings])
    return "persistence is on"


def _memory(_: Settings) -> str:
    """Forecast how long the memory lasts. The check of Redis warns of a missing limit."""
    found = with_redis(lambda store: forecast_memory(store, clock.now()))
    if found is None:
        return "Redis does not let this user see it"
    if found.used > found.limit * ENOUGH:
        raise Warned(f"{found}: raise RINGBACK_MAX_MEMORY or the server's maxmemory, or shorten the retentions")
    return str(found)


def _workers(_: Settings) -> str:
    if places := with_redis(blocked_workers):
        raise CheckFailed(f"the event loop is blocked at {', '.join(places)}: call by await asyncio.to_thread(...)")
    return "no event loop is blocked"


def _encryption(settings: Settings) -> str:
    found = with_redis(check_encryption)
    _raise_any(CheckFailed, found.missing)
    if found.unsealed:
        raise Warned(f"{found.unsealed} bodies are in the clear: older than the key, or of a process without one")
    return "bodies are sealed" if settings.encryption_key else "off: bodies are stored in the clear"


def _idempotency(settings: Settings) -> str:
    known = with_redis(latest_probe)
    if known is None:
        return "not tried: ringback doctor --probe-idempotency TO sends one SMS twice under one key"
    if known.replayed:
        return "Telnyx answered a repeated send from memory when it was tried"
    if settings.resend == "never":
        return "Telnyx sent twice when it was tried, and RINGBACK_RESEND is never"
    raise CheckFailed("Telnyx sent twice under one key when it was tried: set RINGBACK_RESEND=never")


_CHECKS: dict[str, Check] = {
    "variables": _variables,
    "files": _files,
    "handlers": _handlers,
    "public key": _public_key,
    "account": _account,
    "redis": _redis,
    "memory": _memory,
    "workers": _workers,
    "encryption": _encryption,
    "dry run": lambda settings: "on: nothing is sent (RINGBACK_DRY_RUN)" if settings.dry_run else "off",
    "idempotency": _idempotency,
}


TEXT = "A test by Ringback: this message should come once."


def probe(settings: Settings, to: str, *, yes: bool) -> None:
    """Send the SMS twice, tell the result, and remember it."""
    if settings.dry_run:
        fail("RINGBACK_DRY_RUN is on, so nothing can be sent: unset it for this", code=2)
    sender = settings.sms_from
    if sender is None or sender == "profile":
        fail("RINGBACK_SMS_FROM must name a number or short code of yours to send from", code=2)
    confirm(f"This sends one SMS to {mask_number(to)}, or two if Telnyx does not keep its promise. Go on?", yes=yes)

    async def send_twice(telnyx: AsyncTelnyx, store: Store) -> bool:
        key = idempotency_key("probe", secrets.token_hex(16))
        answers = [await telnyx.messages.send(to=to, from_=sender, text=TEXT, idempotency_key=key) for _ in range(2)]
        first, second = (answer.data.id if answer.data else None for answer in answers)
        replayed = first is not None and first == second
        await remember_probe(store, Probe(clock.now(), replayed))
        return replayed

    if not with_telnyx_and_redis(send_twice):
        say("Telnyx sent two messages under one key: set RINGBACK_RESEND=never, and look at unconfirmed effects")
        raise typer.Exit(1)
    say("Telnyx answered the second from memory: one message, as promised. RINGBACK_RESEND=same-key is safe.")
