"""The data folder that a release leaves behind: events in every state, and one of each other kind of record.

`python -m tests.store.release_data` writes that of the present source, once for each release. Later versions open the
folders of all releases before them (test_releases.py).
"""

import asyncio
import json
import shutil
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

import handlers
from service import Context, Event, Router, clock
from service.events.consent import ConsentChange
from service.outcome import Dead, Retry
from service.processes import embedded_server
from service.registrations.status_changes import Known
from service.registrations.webhook_repair import CHANGED, Kept
from service.store.effects import blocks
from service.store.facts import consent, delivery_failures, notices, opt_out_reads, rcs_agents, remembered
from service.store.inbox import dead_letters, healing, maintenance
from service.store.inbox.erasure import forget_old_writes
from service.store.inbox.leases import ClaimRequest, claim
from service.store.inbox.records import EventRecord
from service.store.inbox.search import EventFilter
from service.store.inbox.transfer import import_events, read_line
from service.store.operators import bulk_jobs, issues, job_runner, sessions
from service.store.operators.audit_log import Actor, record_action
from service.store.store import Store
from service.testing.samples import sample
from tests.dashboard.browser_data import any_times
from tests.stack import Stack, open_host, open_stack
from tests.waiting import wait_for

RELEASES = Path(__file__).parent / "releases"
VERSION = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]
KEY = "3q2+7w" + "A" * 37 + "="
"""The encryption key of the second deployment in each folder."""
ACTOR = Actor("somebody@example", "command")
AGENT = "agent_1"
FAILED, DELIVERED, OPTED_OUT, LOST, LEFT = (f"+1312555010{each}" for each in range(1, 6))
STATES = {
    "shop.pruned": "done",
    "shop.nobody": "ignored",
    "shop.order": "dead",
    "shop.lost_answer": "dead",
    "shop.done": "done",
    "shop.moved": "open",
    "shop.parked": "open",
    "shop.late": "open",
    "shop.held": "open",
    "shop.turn": "open",
}
"""The state of each of our own events by its type, as the folder has it."""


def one_line(event: Event) -> str:
    """The key of events that run in order: the same for all."""
    return "line"


def router() -> Router:
    """The built-in handlers, and one for each way in which a handler may end, wait or be parked."""
    ours = Router(handlers.router)

    @ours.on("shop.parked")
    async def park(event: Event, ctx: Context) -> None:
        """Do nothing."""

    @ours.on("shop.done", "shop.pruned", "shop.late", "shop.held", "shop.scheduled")
    async def count(event: Event, ctx: Context) -> None:
        if event.type == "shop.done":
            await ctx.redis.set(f"{ctx.settings.namespace}:user:mine", "1")
            await ctx.schedule("shop.scheduled", {}, after=3600, key="scheduled")
            await ctx.cancel("cancelled_before_it_was_scheduled")

    @ours.on("shop.turn", ordered_by=one_line)
    async def in_line(event: Event, ctx: Context) -> None:
        raise Retry(after=600, reason="first_of_its_line")

    @ours.on("shop.order")
    async def ship(event: Event, ctx: Context) -> None:
        raise Dead("request", "the shop answered 400")

    @ours.on("shop.moved")
    async def tell_crm(event: Event, ctx: Context) -> None:
        raise Retry(after=600, reason="crm_is_closed")

    @ours.on("shop.lost_answer")
    async def text(event: Event, ctx: Context) -> None:
        await ctx.telnyx.messages.send(to=LOST, from_="+13125550199", text="Your table is ready")

    @ours.on("message.received")
    async def answer(event: Event[Any], ctx: Context) -> None:
        await ctx.reply("Thanks, we will call you back.")

    return ours


def event_id(kind: str, number: int = 0) -> str:
    """The id of one of our own events."""
    return f"{kind.partition('.')[2]}-{number}"


def own_event(kind: str, number: int = 0) -> dict[str, Any]:
    """The body of one of our own events."""
    data = {"record_type": "event", "event_type": kind, "id": event_id(kind, number), "payload": {"number": number}}
    return {"data": data}


def fill(stack: Stack) -> None:
    """Bring in one of each kind of record."""
    stack.ask(_pause)
    stack.simulator.add_fault(path="/messages", recipient=LOST, kind="reset", when="after")
    stack.start_worker(router(), resend="never")
    _forget(stack, own_event("shop.nobody", 9))
    kinds = [kind for kind, state in STATES.items() if state != "open" and kind != "shop.done"]
    _deliver(stack, *map(own_event, kinds), *(own_event("shop.order", number) for number in (1, 2, 3)))
    stack.ask(_add_what_handlers_leave_out)
    _deliver(stack, *_telnyx_events(), own_event("shop.done"))
    for kind, state in (("shop.moved", "waiting"), ("shop.parked", "parked"), ("shop.turn", "waiting")):
        stack.deliver(own_event(kind))
        stack.when(own_event(kind), partial(_has, state))
    # It waits for its turn, and the one that comes without a worker has no place yet.
    stack.deliver(own_event("shop.turn", 1))
    wait_for(lambda: stack.ask(waits_for_its_turn))
    wait_for(lambda: stack.ask(any_times))
    stack.workers.close()
    stack.deliver(own_event("shop.turn", 2))
    stack.ask(_add_what_workers_take)
    for kind in ("shop.held", "shop.late"):
        stack.deliver(own_event(kind))
    stack.ask(_hold)


def _deliver(stack: Stack, *bodies: dict[str, Any]) -> None:
    """Deliver events, the first of them twice, and wait for their end."""
    for body in (*bodies, bodies[0]):
        assert stack.deliver(body).status_code == 200
    wait_for(lambda: all(_has_ended(stack.recorded(each)) for each in stack.ask(all_ids)))


def _telnyx_events() -> list[dict[str, Any]]:
    """Events of Telnyx, of which one has no id, and one says that a message is under way."""
    named = ("rcs.failed", FAILED), ("rcs.delivered", DELIVERED), ("rcs.sent", DELIVERED), ("sms.received", DELIVERED)
    told = [sample(name, number=number) for name, number in named]
    return [*told, sample("stop.inbound", number=OPTED_OUT), sample("link.clicked")]


def _has_ended(record: EventRecord) -> bool:
    return record.state != "open" or record.arrived_by == "schedule"


def _has(state: str, record: EventRecord) -> bool:
    return any(each.state == state for each in record.handlers.values())


async def _pause(store: Store) -> None:
    await blocks.pause(store, "park")


def _forget(stack: Stack, body: dict[str, Any]) -> None:
    """Let an event expire."""
    stack.deliver(body)
    stack.ended(body)
    assert stack.ask(lambda store: maintenance.expire(store, retention=0, dead_retention=86_400)) == 1


async def waits_for_its_turn(store: Store) -> bool:
    """Whether an event waits for an earlier one."""
    return bool(await store.redis.exists(f"{store.namespace}:waiting_turn:in_line"))


async def all_ids(store: Store) -> list[str]:
    """The ids of all events."""
    return [each.decode() for each in await store.redis.zrange(store.keys.events, 0, -1)]


async def _add_what_workers_take(store: Store) -> None:
    """What a worker would carry out at once."""
    request = bulk_jobs.JobRequest("retry", EventFilter(state="dead", died="ship"))
    await bulk_jobs.create_job(store, request, ACTOR, ids=["order-3"])
    await notices.note(store, "a cause", orjson.dumps(["a text", "a command"]))
    await blocks.hold(store, "campaign:+13125550199", detail="it is dormant", advice="assign numbers", interval=60)


async def _hold(store: Store) -> None:
    """Let a worker that has vanished hold an event."""
    request = ClaimRequest("vanished", 1, lease=15, limit=1, routes={"count": ["shop.held"]}, only="held-0")
    assert (await claim(store, request)).leases


async def _add_what_handlers_leave_out(store: Store) -> None:
    await _add_operators_records(store)
    await _add_facts(store)
    await maintenance.prune_bodies(store, older_than=0)


async def _rewrite(store: Store) -> None:
    """Let the server write its files anew, and wait for the end of that."""
    await forget_old_writes(store.redis)
    while str((await store.redis.info("persistence"))["aof_rewrite_in_progress"]) != "0":  # noqa: ASYNC110 - no news
        await asyncio.sleep(0.05)


async def _add_operators_records(store: Store) -> None:
    await record_action(store, ACTOR, "dead drop", {"ids": ["order-1"]})
    await dead_letters.drop(store, ["order-1"], by=ACTOR.name)
    request = bulk_jobs.JobRequest("retry", EventFilter(state="dead", died="ship"))
    job = await bulk_jobs.create_job(store, request, ACTOR, ids=["order-2"])
    await job_runner.carry_out(store, job)
    await bulk_jobs.cancel_job(store, await bulk_jobs.create_job(store, request, ACTOR, ids=["order-3"]))
    [issue, *_] = await issues.read_issues(store)
    await issues.state_issue(store, issue.id, "acknowledged", ACTOR)
    await sessions.open_session(store, sessions.Session("alice", "mark"), seconds=86_400)
    await sessions.count_attempt(store, "alice", seconds=86_400)
    await sessions.number_secret(store)


async def _add_facts(store: Store) -> None:
    now = clock.now()
    await consent.record_consent(store, [ConsentChange(LEFT, "out", now - 5, "import")], now=now)
    await delivery_failures.count_failure(store, "40010", "done-0", within=86_400, most=5)
    await opt_out_reads.note_list_read(store, at=now, whole=True)
    await rcs_agents.note_standings(store, {AGENT: rcs_agents.AgentStanding(True, False, ("approval",), ("T-Mobile",))})
    await remembered.remember(store, AGENT, {DELIVERED: remembered.Capability(("RICHCARD_STANDALONE",))})
    await remembered.remember_probe(store, remembered.Probe(now, replayed=True))
    await remembered.note_sent(store, ["US"])
    for key in (store.keys.url_domains, store.keys.profile_countries("p1")):
        await remembered.known_or_asked(store, key, _nothing_known)
    await remembered.note_gone(store, "https://gone.example/hook")
    await remembered.acquire_throttle(store, "name", "holder", seconds=86_400)
    kept = Kept("profile", "p1", "Profile", {"webhook_url": None}, {"webhook_url": "https://new.example/webhooks"})
    for kind, subject, known in (
        ("toll_free_verification", "request-1", Known("Rejected", "m", None, 2)),
        (CHANGED, kept.key, kept),
    ):
        await remembered.compare_and_set(store, kind, subject, before=None, after=orjson.dumps(known))
    await healing.begin(store, now)
    await healing.note_turn(store, now, failed=0)
    line = {"id": "imported-0", "type": "shop.imported", "state": "done", "received_at": "2026-01-01T00:00:00Z"}
    await import_events(store, [read_line(json.dumps(line).encode(), longest_body=1000)], run_them=False, keep=86_400)


async def _nothing_known() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True)
class ReleaseData:
    """What a folder says of itself: when it was written (ms), and its two deployments."""

    version: str
    made_at: int
    namespace: str
    sealed_namespace: str


def write(folder: Path) -> None:
    """Write the folder of the present source."""
    with tempfile.TemporaryDirectory() as place, embedded_server.start(Path(place) / "data") as server:
        with open_host(server.url) as host:
            namespaces = []
            for key in (None, KEY):
                with open_stack(host, encryption_key=key) as stack:
                    fill(stack)
                    namespaces.append(stack.settings.namespace)
                    stack.ask(_rewrite)
        about = ReleaseData(VERSION, int(clock.now() * 1000), *namespaces)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(Path(place) / "data" / "appendonlydir", folder / "appendonlydir")
    (folder / "about.json").write_text(json.dumps(about.__dict__, indent=2) + "\n")


if __name__ == "__main__":
    write(RELEASES / (sys.argv[1] if len(sys.argv) > 1 else VERSION))
