"""A viewer's pages show no number and no text, wherever a body has them."""

import base64
import random
import re
from typing import Any

import httpx
import pytest

from service.events import Event
from service.outcome import Dead, Retry
from service.routing import Context, Router
from service.store.inbox.search import EventFilter
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import JobRequest, create_job
from service.store.operators.job_runner import carry_out
from service.store.store import Store
from service.testing.samples import cases, sample
from tests.dashboard.conftest import OWN, USERS, Open, sign_in
from tests.stack import Stack

NUMBER = "+13125550147"
TEXT = "zebra umbrella"
SPELT = (NUMBER, "13125550147", "+1 (312) 555-0147", "001-312-555-0147", base64.b64encode(b"13125550147").decode())
FORBIDDEN = ("3125550147", "312) 555-0147", "312-555-0147", "zebra", SPELT[4].rstrip("="))
KINDS = ("rcs.failed", "rcs.delivered", "sms.received", "mms.received", "stop.inbound", "rcs.received-location")


def with_secrets(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """A body with the number and the text in some of its places: values, keys, and new fields."""
    if isinstance(value, dict):
        changed = {name: with_secrets(rng, each, depth + 1) for name, each in value.items()}
        if depth > 1 and rng.random() < 0.3:
            changed[rng.choice([*SPELT, TEXT, "note", "memo", "contact", "x"])] = rng.choice([*SPELT, TEXT])
        return changed
    if isinstance(value, list):
        return [with_secrets(rng, each, depth + 1) for each in value]
    if isinstance(value, str) and depth > 3 and rng.random() < 0.15:
        return rng.choice([*SPELT, f"{TEXT}, call {NUMBER}"])
    return value


def indiscreet_router() -> Router:
    """Handlers whose errors quote what they should not."""
    router = Router()

    @router.on("message.*")
    async def quote(event: Event, ctx: Context) -> None:
        raise Dead("request", f"the recipient {NUMBER} is unknown")

    @router.on("message.received")
    async def wait(event: Event, ctx: Context) -> None:
        raise Retry(after=900, reason="later")

    @router.on("*")
    async def crash(event: Event, ctx: Context) -> None:
        raise RuntimeError(f"{TEXT} {NUMBER}")

    return router


def bodies(rng: random.Random, number: int) -> list[Any]:
    made = []
    for _ in range(number):
        body = sample(rng.choice(KINDS), number=NUMBER)
        body["data"]["payload"] = with_secrets(rng, body["data"]["payload"], 2)
        if isinstance(body["data"]["payload"].get("id"), str) and "312" in body["data"]["payload"]["id"]:
            body["data"]["payload"]["id"] = "5d1c0000-0000-4000-8000-000000000001"
        made.append(body)
    return made


def look_around(stack: Stack, client: httpx.Client, *, events: int, looks: int) -> None:
    rng = random.Random(7)
    stack.start_worker(indiscreet_router(), max_attempts=1)
    brought = bodies(rng, events)
    for body in brought:
        assert stack.deliver(body).status_code == 200
    for body in brought:
        stack.when(body, lambda record: all(one.runs for one in record.handlers.values()) and bool(record.handlers))
    stack.ask(count_for_a_replay)
    token = client.post("/numbers", data={"number": NUMBER}, headers=OWN).headers["location"]
    ids = [body["data"]["id"] for body in brought]
    issues = [f"/issues/{each}" for each in set(_issues(client))]
    paths = ["/", "/events", "/events?state=dead", "/events?state=open", "/issues", "/optouts", "/audit", "/blocks"]
    messages = [
        f"/messages/{body['data']['payload']['id']}" for body in brought[:40] if body["data"]["payload"].get("id")
    ]
    paths += [token, *messages, f"/events?number={token.rpartition('/')[2]}", "/workers", "/registrations", *issues]
    paths += ["/jobs", *_jobs(client), "/handlers/quote", "/handlers/wait?window=day"]
    for path in paths:
        assert [each for each in FORBIDDEN if each in first_part(client, path)] == [], path
    for _ in range(looks):
        path = rng.choice(paths) if rng.random() < 0.3 else f"/events/{rng.choice(ids)}"
        page = client.get(path)
        assert page.status_code == 200, path
        assert [each for each in FORBIDDEN if each in page.text] == [], path


async def count_for_a_replay(store: Store) -> None:
    """An operator has entered the number in a field that is not made for it."""
    wanted = EventFilter(state="dead", type=NUMBER, because=SPELT[2])
    job = await create_job(store, JobRequest("replay", wanted, asks=True), Actor(f"otto {NUMBER}", "dashboard"))
    await carry_out(store, job)


def _issues(client: httpx.Client) -> list[str]:
    return re.findall(r'href="/issues/([0-9a-f]{16})"', client.get("/issues").text)


def _jobs(client: httpx.Client) -> list[str]:
    return re.findall(r'href="(/jobs/[0-9a-f]{12})"', client.get("/jobs").text)


def first_part(client: httpx.Client, path: str) -> str:
    """The first part that a page's stream of server-sent events brings."""
    with client.stream("GET", path, headers={"accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream"), path
        lines: list[str] = []
        for line in answer.iter_lines():
            if not line and lines:
                break
            lines.append(line)
        return "\n".join(lines)


@pytest.fixture
def viewer(open_dashboard: Open) -> httpx.Client:
    client = open_dashboard(dashboard_users=USERS)
    assert sign_in(client, "vera").status_code == 303
    return client


def test_a_viewers_pages_show_no_number_and_no_text(stack: Stack, viewer: httpx.Client) -> None:
    assert set(KINDS) <= set(cases())
    look_around(stack, viewer, events=8, looks=30)


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(250, marks=pytest.mark.slow),
        pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_fuzzed_pages_of_a_viewer_show_no_number_and_no_text(stack: Stack, viewer: httpx.Client, looks: int) -> None:
    look_around(stack, viewer, events=looks // 25, looks=looks)
