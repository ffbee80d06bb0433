"""How soon after their start `ringback ingress` answers and `ringback up` handles."""

import time
from contextlib import ExitStack
from subprocess import Popen

from benchmarks import handled
from benchmarks.figures import Result, Table, median
from benchmarks.load import is_accepted
from benchmarks.processes import clean_environment, free_port, running, wait_for
from benchmarks.redis_server import redis_server
from benchmarks.row import Scale
from benchmarks.signed_events import fresh_ids, received, requests
from benchmarks.stacks import RINGBACK, RINGBACK_STACK, account_variables


def run(scale: Scale) -> Result:
    """Start each of them some times, by turns."""
    ingress: list[float] = []
    up: list[float] = []
    for turn in range(scale.rounds):
        ingress.append(_ingress(scale, turn))
        up.append(_up(scale, turn))
    table = Table(
        "Start",
        ("from the start of the process", "s"),
        [
            ["`ringback ingress` to its first 200", f"{median(ingress):.2f}"],
            ["`ringback up` to the start of its first handler", f"{median(up):.2f}"],
        ],
    )
    return Result([table], {"ingress": median(ingress), "up": median(up)})


def _ingress(scale: Scale, turn: int) -> float:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(scale.folder, core=None))
        port, name = free_port(), f"started-ingress-{turn}"
        environment = RINGBACK_STACK.environment(redis, scale, RINGBACK_PORT=str(port))
        began = time.monotonic()
        process = stack.enter_context(running((*RINGBACK, "ingress"), scale.folder, name, environment))
        return _first_answer(port, process, scale, name) - began


def _up(scale: Scale, turn: int) -> float:
    port, name = free_port(), f"started-up-{turn}"
    file = scale.folder / f"{name}.handled"
    environment = clean_environment(
        {
            **RINGBACK_STACK.variables,
            **account_variables(scale),
            "RINGBACK_PORT": str(port),
            "RINGBACK_DATA": str(scale.folder / f"{name}-data"),
            handled.VARIABLE: str(file),
        }
    )
    began = time.monotonic()
    with running((*RINGBACK, "up"), scale.folder, name, environment) as process:
        _first_answer(port, process, scale, name)
        wait_for(lambda: handled.count(file) > 0, process, scale.folder / f"{name}.log")
        return handled.read(file)[0].at - began


def _first_answer(port: int, process: "Popen[bytes]", scale: Scale, name: str) -> float:
    """Deliver an event until it is accepted. Return when that was (monotonic)."""
    [request] = requests(fresh_ids(1), received)
    wait_for(lambda: is_accepted(request, port), process, scale.folder / f"{name}.log")
    return time.monotonic()
