"""A deployment with events in every state, for pages to show."""

from typing import Any

import orjson

import handlers
from service.events import Event
from service.events.consent import ConsentChange
from service.outcome import Dead, Retry
from service.registrations.status_changes import Known
from service.routing import Context, Router
from service.store.effects.blocks import pause
from service.store.facts.consent import record_consent
from service.store.facts.remembered import compare_and_set
from service.store.inbox.handler_times import merged, read_times
from service.store.inbox.search import EventFilter
from service.store.inbox.workers import read_workers
from service.store.operators.audit_log import Actor
from service.store.operators.bulk_jobs import JobRequest, create_job
from service.store.operators.job_runner import carry_out
from service.store.store import Store
from service.testing.samples import sample
from tests.stack import Stack
from tests.waiting import wait_for

FAILED, DELIVERED, OPTED_OUT = "+13125550101", "+13125550102", "+13125550103"
LONG = "x" * 120
"""A long part of an id: up to 128 characters without a place to break."""


def router_that_fails() -> Router:
    """The built-in handlers, and some that fail in different ways."""
    router = Router(handlers.router)

    @router.on("shop.order_paid")
    async def book_the_order_in_the_ledger_of_the_shop(event: Event, ctx: Context) -> None:
        raise Dead("request", "the shop answered 400: the order is not known there")

    @router.on("shop.customer_moved")
    async def tell_crm(event: Event, ctx: Context) -> None:
        raise Retry(after=600, reason="crm_is_closed")

    @router.on("shop.invoice")
    async def file_invoice(event: Event, ctx: Context) -> None:
        if event.payload.get("number", 0) % 2:
            raise Dead("template", "the template has no field `total`")
        raise Dead("too_long", "the text has 9 segments, and 6 are allowed")

    return router


def own_event(kind: str, number: int, *, event_id: str | None = None) -> dict[str, Any]:
    """An event of a kind of our own."""
    identity = event_id or f"3f2a0000-0000-4000-8000-{number:012d}"
    return {"data": {"record_type": "event", "event_type": kind, "id": identity, "payload": {"number": number}}}


def fill(stack: Stack) -> dict[str, str]:
    """Bring events of every state in. Returns the ids that pages are asked for."""
    stack.start_worker(router_that_fails())
    failed, inbound = sample("rcs.failed", number=FAILED), sample("sms.received", number=DELIVERED)
    bodies = [failed, sample("rcs.delivered", number=DELIVERED), inbound, sample("stop.inbound", number=OPTED_OUT)]
    bodies += [own_event("shop.order_paid", each) for each in range(30)]
    bodies += [own_event("shop.invoice", 100 + each) for each in range(9)]
    bodies += [own_event("shop.unknown", 200 + each) for each in range(12)]
    bodies += [own_event("shop.order_paid", 300, event_id=f"order/{LONG}"[:128])]
    for body in bodies:
        assert stack.deliver(body).status_code == 200
    for body in bodies:
        stack.ended(body)
    for body in [own_event("shop.customer_moved", 400 + each) for each in range(4)]:
        stack.deliver(body)
        stack.when(body, lambda record: any(one.state == "waiting" for one in record.handlers.values()))
    job = stack.ask(_more)
    wait_for(lambda: stack.ask(read_workers))
    wait_for(lambda: stack.ask(any_times))
    return {
        "event": failed["data"]["id"],
        "message": failed["data"]["payload"]["id"],
        "dead": own_event("shop.order_paid", 0)["data"]["id"],
        "long": f"order/{LONG}"[:128],
        "job": job,
    }


async def any_times(store: Store) -> bool:
    return bool(merged(await read_times(store)))


async def _more(store: Store) -> str:
    """Opt a number out, pause a handler, know registrations, and count events for a replay. Return the job's id."""
    await record_consent(store, [ConsentChange("+13125550177", "out", 1_760_000_000.0, "import")], now=1_760_000_000.0)
    await pause(store, "forward")
    for kind, status in (("toll_free_verification", "Rejected"), ("hosted_number_order", "pending")):
        stored = orjson.dumps(Known(status, "m", None, 2))
        await compare_and_set(store, kind, f"0b1c-{kind}", before=None, after=stored)
    request = JobRequest("replay", EventFilter(state="dead", type="shop.*"), asks=True)
    job = await create_job(store, request, Actor("ann@example.com", "dashboard"))
    await carry_out(store, job)
    return job
