"""A dashboard on HTTP, beside the ingress of a stack."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from nacl.pwhash import argon2id

from service.dashboard import create_dashboard
from service.ingress.http_protocol import bounded_config
from service.processes.sockets import listen
from service.security import dashboard_users
from tests.stack import Stack
from tests.waiting import wait_for

PASSWORD = "correct horse battery"
HASH = argon2id.str(PASSWORD.encode(), opslimit=argon2id.OPSLIMIT_MIN, memlimit=argon2id.MEMLIMIT_MIN).decode()
"""As cheap as there is: a real hash takes 64 MiB and 50 ms of each sign-in."""
USERS = f"vera:viewer:{HASH} otto:operator:{HASH} rita:revealer:{HASH} both:operator+revealer:{HASH}"
OWN = {"sec-fetch-site": "same-origin"}

Open = Callable[..., httpx.Client]


@pytest.fixture(autouse=True)
def _cheap_checks_of_unknown_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_users, "_NOBODYS", HASH)


@contextmanager
def serving_dashboard(stack: Stack, **changes: Any) -> Iterator[str]:
    """Serve the dashboard of a stack; gives its address."""
    app = create_dashboard(
        stack.settings.model_validate(
            {**stack.settings.model_dump(), "namespace": stack.place["RINGBACK_NAMESPACE"], **changes}
        )
    )
    listener = listen("127.0.0.1", 0, "RINGBACK_DASHBOARD_PORT")
    server = uvicorn.Server(bounded_config(app, keep_alive=75, lifespan="on"))
    serving = stack.host.portal.start_task_soon(server._serve, [listener])
    wait_for(lambda: server.started or serving.done())
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        app.state.streams.stopping.set()
        server.should_exit = True
        serving.result()


@pytest.fixture
def open_dashboard(stack: Stack) -> Iterator[Open]:
    """Opens dashboards with changed settings; gives a client that looks at one as a browser of its own would."""
    with ExitStack() as opened:

        def open_one(**changes: Any) -> httpx.Client:
            url = opened.enter_context(serving_dashboard(stack, **changes))
            return opened.enter_context(httpx.Client(base_url=url, timeout=30, trust_env=False, verify=False))

        yield open_one


def sign_in(client: httpx.Client, name: str, password: str = PASSWORD, *, at: str = "") -> httpx.Response:
    """Sign in as a user, at the client's dashboard or at another one."""
    return client.post(f"{at}/sign-in", data={"name": name, "password": password}, headers=OWN)
