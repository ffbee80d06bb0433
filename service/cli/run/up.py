"""`ringback up`: the embedded server, the ingress and a worker, on one machine."""

import asyncio
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import structlog
import typer

from service.cli.output import BAD_USAGE, fail
from service.cli.run.local_telnyx import LocalTelnyx, choose_port, claim_data, variables_of
from service.cli.run.reload import WORKER, supervise
from service.cli.run.startup import announce
from service.cli.signed_delivery import local_webhooks
from service.messages.policy_file import policy_of
from service.monitoring.logs import configure_logs
from service.processes import data_folder, embedded_server, parent_death
from service.processes.data_folder import Folder, FolderInUse
from service.processes.mounts import volatile_storage
from service.processes.sockets import is_free
from service.processes.supervisor import Child
from service.security.telnyx_signature import public_key_text
from service.settings import DASHBOARD_PORT, InvalidSettings, Settings, load, without_unused_by_ingress
from service.settings.development_key import make_key
from service.settings.simulated_data import mark
from service.store.server_checks import require_usable_at

MARGIN_SECONDS = 5.0
LAST_PORT = 65_535

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Beside:
    """Processes beside the ingress and the worker. A `dashboard_port` of 0 is any free one, None is no dashboard."""

    dev: bool = False
    telnyx: LocalTelnyx | None = None
    dashboard_port: int | None = None


NOTHING = Beside()


def up(
    *,
    dev: Annotated[
        bool, typer.Option("--dev", help="Accept events of `ringback trigger`, reload handlers, show tracebacks.")
    ] = False,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="With --dev: run a local Telnyx too. Needs no account.")
    ] = False,
) -> None:
    """Run the ingress, a worker and, unless REDIS_URL is set, an embedded server.

    The dashboard runs too where RINGBACK_DASHBOARD_PORT is set, or with --dev on port 8081 or a free one.

    Crashed processes are restarted. SIGTERM or Ctrl-C stops all of it within RINGBACK_GRACE. A second Ctrl-C hurries.
    With --dev a key in RINGBACK_DATA may sign events of all types too, on loopback only. Handlers are loaded again when
    a file is saved. With --simulator all calls go to a local Telnyx.

    Exit codes: 0 stopped, 1 the data folder is in use or no server runs, 2 invalid configuration.
    """
    configure_logs()
    if os.name != "posix":
        fail("`ringback up` needs Linux or macOS: run `ringback ingress` and `ringback worker` instead")
    settings, telnyx = load(), None
    if simulator and not dev:
        raise typer.BadParameter("it works with --dev only", param_hint="--simulator")
    claim_data(settings, simulated=simulator)
    if simulator:
        telnyx = choose_port()
        settings = telnyx.configure(settings)
    if dev:
        settings = _with_development_key(settings)
    # The ingress or the worker refuses to start without these: better one message, before anything runs.
    settings.require_public_keys()
    settings.require_api_key()
    policy_of(settings.policy, settings.sms_from)
    announce(settings)
    if settings.redis_url is None and (trouble := volatile_storage(settings.data)):
        log.warning("the data folder does not last", reason=trouble)
    beside = Beside(dev, telnyx, _dashboard_port(settings, dev=dev))
    raise typer.Exit(run(settings, ringback_command(), beside))


def _with_development_key(settings: Settings) -> Settings:
    """Return settings with the development key as one more public key.

    Raises:
        InvalidSettings: Ringback is bound to more than loopback.
    """
    key = public_key_text(make_key(settings))
    log.warning("a development key is in force: its readers can forge events", folder=str(settings.data))
    return settings.model_copy(update={"public_key": f"{settings.public_key},{key}" if settings.public_key else key})


def _dashboard_port(settings: Settings, *, dev: bool) -> int | None:
    """Return the port of the dashboard, None where it does not run.

    Raises:
        InvalidSettings: it would be open to others, or its users are invalid. Better said before anything runs.
    """
    if settings.dashboard_port is None and not dev:
        return None
    from service.dashboard.server import check_access  # noqa: PLC0415 - most deployments of `up` need none of it

    check_access(settings)
    if settings.dashboard_port is not None:
        return settings.dashboard_port
    return DASHBOARD_PORT if is_free(settings.dashboard_host, DASHBOARD_PORT) else 0


def run(settings: Settings, ringback: Sequence[str], beside: Beside = NOTHING) -> int:
    """Supervise `<ringback> ingress`, `<ringback> worker` and their server until asked to stop. Return the exit code.

    Raises:
        EmbeddedServerError: the server's program is missing or its folder cannot be used.
        InvalidSettings: there is no admin port for the worker, or `REDIS_URL` names a server that cannot be used.
    """
    _worker_admin_port(settings)
    webhooks, telnyx = local_webhooks(settings), beside.telnyx
    log.info("starting", webhooks=webhooks, **({"telnyx": telnyx.base_url} if telnyx else {}))
    if telnyx:
        log.info("nothing leaves this machine for Telnyx: try `ringback trigger rcs.failed --follow`")
        log.info("other commands reach the local Telnyx by these variables", **variables_of(settings))
    clients = partial(_clients, settings, ringback, beside)
    if settings.redis_url is not None:
        require_usable_at(settings.redis_url.get_secret_value())
        return asyncio.run(supervise([clients()], reloads=beside.dev))
    program = embedded_server.find_server()
    with _claimed(settings) as folder:
        if telnyx:
            mark(settings.data, variables_of(settings))
        # A server that outlives `up` must not keep the lock: the next `up` stops it and uses its data.
        server = embedded_server.child(program, folder, settings.max_memory, keeps_lock=parent_death.ENDS_WITH_PARENT)
        # The clients hold the folder's lock too: the next `up` after a killed one waits until they have finished.
        first = [server, telnyx.child(ringback, webhooks)] if telnyx else [server]
        return asyncio.run(supervise([first, clients(folder.lock.fileno())], reloads=beside.dev))


def ringback_command() -> list[str]:
    """Return the command `ringback` of the interpreter and the installation that run now."""
    script = shutil.which("ringback", path=sysconfig.get_path("scripts"))
    return [sys.executable, script] if script else [sys.executable, "-P", "-m", "service.cli"]


def _clients(settings: Settings, ringback: Sequence[str], beside: Beside, *descriptors: int) -> list[Child]:
    variables = {"TELNYX_PUBLIC_KEY": settings.public_key or ""}
    if beside.telnyx:
        variables |= {**variables_of(settings), "RINGBACK_SMS_FROM": settings.sms_from or ""}
    if settings.redis_url is None:
        # They find the server's socket by it from any working directory.
        variables["RINGBACK_DATA"] = str(settings.data.resolve())
    environment = parent_death.environment_of_child(_changed(os.environ, variables))
    client = partial(Child, grace=settings.grace + MARGIN_SECONDS, descriptors=descriptors)
    reduced, hopeless = without_unused_by_ingress(environment), frozenset({BAD_USAGE})
    ingress = client("ingress", (*ringback, "ingress"), environment=reduced, hopeless=hopeless)
    role = ("worker", "--dev") if beside.dev else ("worker",)
    worker = client(WORKER, (*ringback, *role), environment=_with_port_of_its_own(environment, settings))
    if beside.dashboard_port is None:
        return [ingress, worker]
    own = _changed(environment, {"RINGBACK_DASHBOARD_PORT": str(beside.dashboard_port)})
    return [ingress, worker, client("dashboard", (*ringback, "dashboard"), environment=own)]


def _with_port_of_its_own(environment: dict[str, str], settings: Settings) -> dict[str, str]:
    """Return the worker's environment with the admin port after the ingress's, as both cannot have the same."""
    port = _worker_admin_port(settings)
    if port is None:
        return environment
    return _changed(environment, {"RINGBACK_ADMIN_PORT": str(port)})


def _changed(environment: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with these variables. They win over `.env`, and over another spelling of theirs."""
    return {**{name: value for name, value in environment.items() if name.upper() not in variables}, **variables}


def _worker_admin_port(settings: Settings) -> int | None:
    """Return the port on which the worker serves its probes and metrics. 0 is any free one.

    Raises:
        InvalidSettings: there is none after the ingress's, or the ingress has that too.
    """
    if not settings.admin_port:
        return settings.admin_port
    port = settings.admin_port + 1
    if port > LAST_PORT or port == settings.port:
        raise InvalidSettings(
            f"RINGBACK_ADMIN_PORT: under `ringback up` the worker takes the port after it, and {port} is"
            f" {'RINGBACK_PORT' if port == settings.port else 'none'}: choose another"
        )
    return port


@contextmanager
def _claimed(settings: Settings) -> Iterator[Folder]:
    """Claim the data folder. Wait while the children of a killed `up` finish."""
    try:
        folder = data_folder.claim(settings.data)
    except FolderInUse:
        grace = settings.grace
        log.warning("waiting for the data folder, which is in use", folder=str(settings.data), seconds=grace)
        folder = data_folder.claim(settings.data, wait=grace)
    try:
        yield folder
    finally:
        folder.release()
