"""Checks of this machine's configuration: variables, files, handlers, policy and keys."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from service.doctor.deployment import Deployment
from service.doctor.finding import CheckFailed, Warned, raise_any
from service.messages.policy_file import read_policy
from service.monitoring.traces.switch import is_on, trouble
from service.processes.loopback import is_loopback
from service.processes.mounts import in_container, volatile_storage
from service.settings import Settings
from service.settings.development_key import key_file
from service.settings.exposed_files import exposure_warnings
from service.settings.variables import export_env_file, unknown_variables
from service.worker.load_router import load_router
from service.worker.startup_warnings import router_warnings

T = TypeVar("T")


async def variables(_: Deployment) -> str:
    """Look for variables that nothing reads."""
    raise_any(CheckFailed, unknown_variables())
    return "all are known"


async def files(at: Deployment) -> str:
    """Look whether others on this machine can change files of the deployment, or read keys in them."""
    raise_any(Warned, exposure_warnings(at.settings))
    return "nobody else can change them, or read keys in them"


async def data_folder(at: Deployment) -> str:
    """Look whether the embedded server's files outlive a container."""
    if at.settings.redis_url is not None:
        return "not used, since REDIS_URL is set"
    if (trouble := volatile_storage(at.settings.data)) is not None:
        raise CheckFailed(f"RINGBACK_DATA: {trouble}")
    return f"{at.settings.data.resolve()} {'is a mount of its own' if in_container() else 'is kept on a disk'}"


async def handlers(at: Deployment) -> str:
    """Load the handlers as a worker does, and look at what they leave out."""
    router = await _in_thread(lambda: load_router(at.settings.handlers))
    raise_any(Warned, router_warnings(router, at.settings))
    return f"HANDLERS has {', '.join(router.subscriptions) or 'none'}"


async def policy(at: Deployment) -> str:
    """Read the policy of the SMS fallback as a worker does."""
    if at.settings.policy is None:
        return "RINGBACK_POLICY is unset: one rule for all messages" if at.settings.sms_from else "off"
    found = read_policy(at.settings.policy, sms_from=at.settings.sms_from)
    raise_any(Warned, (f"rule {rule.name!r}: {each}" for rule in found.rules for each in rule.warnings))
    return f"{len(found.rules)} {'rule' if len(found.rules) == 1 else 'rules'}, all valid"


async def public_key(at: Deployment) -> str:
    """Look at the keys that may sign webhooks."""
    if at.settings.public_key is None and has_development_key(at.settings):
        raise Warned(
            "only the development key of `ringback up --dev` is in force, so Telnyx's own webhooks are refused."
            " Next: set TELNYX_PUBLIC_KEY before Telnyx delivers here"
        )
    keys = at.settings.require_public_keys()
    return f"{len(keys)} in force, {', '.join(key.fingerprint for key in keys)}"


async def traces(_: Deployment) -> str:
    """Look whether traces are on, and can be sent."""
    export_env_file(only="OTEL_")
    if problem := trouble(os.environ):
        raise CheckFailed(problem)
    return "on" if is_on(os.environ) else "off"


async def development(at: Deployment) -> str:
    """Look for a development key, by which `ringback trigger` signs events of all types."""
    if not has_development_key(at.settings):
        return "no development key"
    if not is_loopback(at.settings.host):
        raise Warned(
            f"{key_file(at.settings)} is a development key, and RINGBACK_HOST is {at.settings.host}:"
            " `up --dev` refuses to start here. Remove the file on a machine that serves Telnyx"
        )
    return "a development key is here, and only `ringback up --dev` takes it, on loopback"


async def dry_run(at: Deployment) -> str:
    """Tell whether calls that change something go out."""
    if at.settings.dry_run:
        raise Warned("on: nothing is sent. Unset RINGBACK_DRY_RUN to send")
    return "off"


def has_development_key(settings: Settings) -> bool:
    """Return whether `ringback up --dev` has made a key in the data folder."""
    return key_file(settings).exists()


async def _in_thread(work: Callable[[], T]) -> T:
    """Return the result of work in a daemon thread, since a module that hangs must not keep the process alive."""
    result: Future[T] = Future()
    # A running one cannot be cancelled, so that the thread can always set its result.
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            result.set_exception(error)

    threading.Thread(target=run, daemon=True, name="doctor").start()
    return await asyncio.wrap_future(result)
