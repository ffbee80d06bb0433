"""A call of every script that writes more than once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from service.events.consent import ConsentChange
from service.events.message import MessageStatus, RecipientStatus
from service.store.effects import blocks, ledger, rate_limits
from service.store.effects.ledger import Entry, StoredAnswer
from service.store.facts import consent, notices, remembered
from service.store.facts.message_states import InsteadOf, Recipient, SendConditions, read_state
from service.store.facts.replies import reason_against_answer
from service.store.inbox import accept, dead_letters, erasure, healing, maintenance, order, transfer
from service.store.inbox.accept import NewEvent
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, HandlerResults, HeldLease, Lease, claim, finish, renewal
from service.store.operators import bulk_jobs
from tests.store.half_way import Scenario, T, World

Step = Callable[[World], Awaitable[Any]]
NUMBER = "+13125550142"
DAY = 86_400_000
STOP = ConsentChange(NUMBER, "out", T / 1000 - 5)
STATUS = MessageStatus("m-1", "RCS", (RecipientStatus(NUMBER, "delivered", "T-MOBILE"), RecipientStatus(None, "sent")))
EVENT = NewEvent("one", "message.received", b'{"data":{}}', "webhook")
OUTAGE = rate_limits.BlockSignal(
    "outage", "fails", "detail", "advice", interval=1000, longest=9000, quiet=3_600_000, strikes=1, within=9
)


async def nothing(world: World) -> None:
    """Begin with nothing stored."""


def accepting(*arrivals: NewEvent) -> Step:
    async def act(world: World) -> Any:
        return await accept.accept(world.store, arrivals)

    return act


def claiming(
    *handlers: str, number: int = 1, worker: str = "w", alone: bool = False, limit: int = 10, in_order: bool = False
) -> Step:
    async def act(world: World) -> list[Lease]:
        routes = {name: ["*"] for name in handlers}
        request = ClaimRequest(worker, number, 15.0, limit, routes, alone, ordered=routes if in_order else {})
        return without_clock((await claim(world.store, request)).leases)

    return act


def without_clock(leases: Sequence[Lease]) -> list[Lease]:
    """Return leases by their ids, without the worker's own time, which no two runs share."""
    return sorted((replace(each, monotonic=0.0) for each in leases), key=lambda each: each.record.id)


def ending(
    state: Any, *, release: bool = True, ids: Sequence[str] = ("one", "two"), token: str = "w:1", **more: Any
) -> Step:
    async def act(world: World) -> Any:
        found = [(event_id, await accept.find(world.store, event_id)) for event_id in ids]
        leases = [Lease(record, token, alone=False, claimed_at=T) for _, record in found if record]
        ended = {"greet": HandlerRecord(state, **more)}
        return await finish(world.store, [HandlerResults.of(each, ended, release=release) for each in leases])

    return act


def healing_of(event: NewEvent) -> Step:
    """The acceptance of an event that Telnyx could not deliver a minute ago."""

    async def act(world: World) -> Any:
        return await healing.heal(
            world.store, [healing.MissedEvent(event, T - 60_000, T - 50_000)], retention=DAY / 1000
        )

    return act


def then(*steps: Step) -> Step:
    async def act(world: World) -> Any:
        answer = None
        for step in steps:
            answer = await step(world)
        return answer

    return act


def at(milliseconds: int, step: Step) -> Step:
    """A step at a later time."""

    async def act(world: World) -> Any:
        before, world.redis.now = world.redis.now, T + milliseconds
        try:
            return await step(world)
        finally:
            world.redis.now = before

    return act


def calling(function: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Step:
    async def act(world: World) -> Any:
        return await function(world.store, *args, **options)

    return act


def putting(command: str, key: str, *args: Any, **options: Any) -> Step:
    async def act(world: World) -> Any:
        return await getattr(world.redis, command)(f"{world.keys.namespace}:{key}", *args, **options)

    return act


def renewing(*held: HeldLease, answered: int = 9) -> Step:
    async def act(world: World) -> Any:
        return await world.store.run("renew", *renewal("w", held, lease=20.0, answered=answered))

    return act


def turning(place: int, number: int) -> Step:
    results = {"retried": number} if number else {}

    async def act(world: World) -> Any:
        return await world.store.run("job_turn", "j", "r", 9000, place, number, orjson.dumps(results), 5, 9)

    return act


ORDERED = {"greet": ("message.*",)}
LANES = {"greet": ("ab",)}


def placing(*, token: str = "") -> Step:
    return calling(order.take_turns, [order.Placing(each, LANES, token) for each in ("one", "two")])


ENTRY = Entry(
    name="e-1",
    event_id="one",
    handler="greet",
    caller_key=False,
    method="POST",
    path="/messages",
    recipient=NUMBER,
    target="t",
    content_type="application/json",
    digest="d",
    state="started",
    body=b"{}",
)


def beginning(entry: Entry, *, once_more: bool = False, conditions: SendConditions | None = None) -> Step:
    async def act(world: World) -> Any:
        record = await accept.find(world.store, "one")
        assert record is not None
        lease = Lease(record, "w:1", alone=False, claimed_at=T)
        return await ledger.begin(
            world.store, lease, entry, "run", again=once_more, keep=DAY / 1000, conditions=conditions
        )

    return act


def answering(outcome: Any, status: int) -> Step:
    answer = StoredAnswer(status, "application/json", b'{"data":{"id":"x"}}')
    return calling(ledger.end, "e-1", outcome, answer, sent_at=T, why="why", note="note-1")


def foreign_event(event_id: str, state: Any = "done") -> transfer.ImportedEvent:
    return transfer.ImportedEvent(
        event_id, "message.received", b"{}", "webhook", T - DAY, 1, {"greet": HandlerRecord(state)}
    )


UNBEGUN = replace(foreign_event("one"), handlers={transfer.NOT_BEGUN: HandlerRecord("dead", reason="imported")})


async def cut(world: World) -> None:
    """Put a job that is nobody's into the queue."""
    await world.redis.zadd(world.keys.queue, {"stray": T - 1})
    await world.redis.set("arq:job:stray-of-nobody", "x", px=1)


async def told_first(world: World) -> Any:
    return [await notices.record_sent(world.store, each) for each in _noticed]


_noticed: Sequence[notices.Notice] = (notices.Notice("cause", 1, 0, {b"entry": 1}, {b"entry": 1}),)

FALLBACK = SendConditions((NUMBER,), InsteadOf("m-1", None, 2, 5, 9e5))
TWO = (EVENT, EVENT._replace(identity="two"))
OPEN = accepting(*TWO)
JOB = then(
    putting("rpush", "job_ids:j", "one", "two"),
    putting("hset", "job:j", mapping={"state": "running", "collected": 2}),
    putting("zadd", "jobs_due", {"j": 1}),
)
BLOCKING = HeldLease("one", "w:1", "overdue", {"handler": "greet", "place": "my_handlers.py:3 in greet"})
LEASED = then(accepting(EVENT), claiming("greet"))
DONE = then(LEASED, ending("done"))
DEAD = then(LEASED, ending("dead", reason="why", error="error", attempts=8))
PARKED = then(
    LEASED,
    calling(rate_limits.report, "one", rate_limits.CallReport([OUTAGE], alive=False)),
    ending("parked", due=T + DAY, blocked_by="outage"),
)
BEGUN = then(LEASED, beginning(ENTRY))
DOUBTFUL = then(BEGUN, ending("dead", reason="ambiguous"))
QUEUED = then(OPEN, claiming("greet"), calling(order.register, ORDERED), placing(token="w:1"))
"""The handler has begun with `one`, and waits with `two`."""
NUMBERING = calling(order.register, ORDERED, by_number=["greet"])
NUMBERED = [each._replace(body=b'{"data":{"payload":{"from":"+13125550142"}}}') for each in TWO]
FOLLOWING = then(NUMBERING, accepting(*NUMBERED), claiming("greet", in_order=True))
"""The handler runs for `one`, and follows with `two`."""
RAISED = NewEvent("raised", "toll_free_verification.status_changed", b"{}", "emit")
OPTED_OUT = calling(consent.record_consent, [STOP], now=T / 1000)
NOTED = calling(notices.note, "cause", b"entry")
SEND = rate_limits.AdmissionRequest(
    "ticket", "one", ["outage"], "sms", 5.0, requeued=False, max_wait=1.0, probe_timeout=5.0
)
LIFT = replace(OUTAGE, outcome="lifts")

SCENARIOS = (
    Scenario("accept", nothing, accepting(EVENT)),
    Scenario("accept a timer", nothing, accepting(EVENT._replace(delay=9000))),
    Scenario(
        "accept a batch",
        nothing,
        accepting(*TWO),
        ignored=("ns:event:one|deliveries", "ns:event:one|again"),
        same_answer=False,
    ),
    Scenario("accept a STOP", nothing, accepting(EVENT._replace(words=(STOP,)))),
    Scenario("accept a delivery", nothing, accepting(EVENT._replace(type="message.finalized", message=STATUS))),
    Scenario("accept by content", nothing, accepting(EVENT._replace(remember=3_600_000))),
    Scenario("accept a duplicate", OPEN, accepting(EVENT._replace(words=(STOP,), message=STATUS))),
    Scenario("heal a STOP", nothing, healing_of(EVENT._replace(words=(STOP,)))),
    Scenario("heal a delivery", nothing, healing_of(EVENT._replace(type="message.finalized", message=STATUS))),
    Scenario("heal by content", nothing, healing_of(EVENT._replace(remember=3_600_000))),
    Scenario(
        "import ended", nothing, calling(transfer.import_events, [foreign_event("one")], run_them=False, keep=9e5)
    ),
    Scenario(
        "import to run", nothing, calling(transfer.import_events, [foreign_event("one")], run_them=True, keep=9e5)
    ),
    Scenario(
        "compare_and_set",
        nothing,
        calling(remembered.compare_and_set, "kind", "id", before=None, after=b"x", raised=[RAISED]),
        ignored=("ns:event:raised|deliveries", "ns:event:raised|again"),
    ),
    Scenario("claim", accepting(EVENT), claiming("greet")),
    Scenario("claim after a lapse", LEASED, at(60_000, claiming("greet", worker="x", limit=1))),
    Scenario(
        "claim a suspect",
        then(LEASED, putting("hset", "event:one", "lapses", 2)),
        at(60_000, claiming("greet", worker="x", number=7, alone=True)),
    ),
    Scenario(
        "claim kills poison",
        then(LEASED, putting("hset", "event:one", mapping={"lapses": 2, "alone": 1})),
        at(60_000, claiming("greet", worker="x", number=7)),
    ),
    Scenario(
        "renew clears lapses",
        then(LEASED, at(60_000, claiming("greet", worker="x"))),
        at(61_000, renewing(HeldLease("one", "w:1"))),
    ),
    Scenario("renew", LEASED, at(5_000, renewing(HeldLease("one", "w:1"), HeldLease("two", "w:1")))),
    Scenario("renew ends what blocks", LEASED, at(5_000, renewing(BLOCKING))),
    Scenario(
        "renew counts for good a lapse that a claim has counted",
        then(LEASED, at(60_000, claiming("greet", worker="x"))),
        at(61_000, renewing(BLOCKING)),
    ),
    Scenario(
        "renew kills poison",
        then(LEASED, putting("hset", "event:one", mapping={"lapses": 2, "alone": 1})),
        at(5_000, renewing(BLOCKING)),
    ),
    Scenario(
        "renew gives back",
        LEASED,
        at(5_000, renewing(HeldLease("one", "w:1"))),
    ),
    Scenario("finish done", LEASED, ending("done")),
    Scenario("finish dead", LEASED, ending("dead", reason="why")),
    Scenario("finish waiting", LEASED, ending("waiting", due=T + 5_000)),
    Scenario(
        "finish parked",
        then(LEASED, calling(rate_limits.report, "one", rate_limits.CallReport([OUTAGE], alive=False))),
        ending("parked", due=T + DAY, blocked_by="outage"),
    ),
    Scenario("finish without release", LEASED, ending("waiting", due=T + 5_000, release=False)),
    Scenario(
        "accept in order",
        calling(order.register, ORDERED),
        accepting(EVENT),
        ignored=("ns:unkeyed", "ns:queue", "ns:event:one|due"),
    ),
    Scenario("order_register", OPEN, calling(order.register, ORDERED)),
    Scenario("order", then(OPEN, claiming("greet"), calling(order.register, ORDERED)), placing(token="w:1")),
    Scenario("order without a lease", then(calling(order.register, ORDERED), OPEN), placing()),
    Scenario("finish wakes the next", QUEUED, ending("done", ids=("one",))),
    Scenario("accept by number", NUMBERING, accepting(NUMBERED[0]), ignored=("ns:queue", "ns:event:one|due")),
    Scenario("claim in order", then(NUMBERING, accepting(NUMBERED[0])), claiming("greet", in_order=True)),
    Scenario("claim a follower", FOLLOWING, claiming("greet", in_order=True)),
    Scenario("finish lets the next follow", FOLLOWING, ending("done", ids=("one",))),
    Scenario("finish the last in order", then(FOLLOWING, ending("done", ids=("one",))), ending("done", ids=("two",))),
    Scenario(
        "retry takes its place again",
        then(QUEUED, ending("dead")),
        calling(dead_letters.retry, ["one"], by="ops"),
        same_answer=False,
    ),
    Scenario(
        "retry what no handler had begun",
        calling(transfer.import_events, [UNBEGUN], run_them=False, keep=9e5),
        calling(dead_letters.retry, ["one"], by="ops", trusted=True),
        same_answer=False,
    ),
    Scenario(
        "replay leaves its place",
        then(QUEUED, ending("done")),
        calling(dead_letters.replay, ["one"], by="ops"),
        same_answer=False,
    ),
    Scenario("effect_begin", LEASED, beginning(ENTRY)),
    Scenario("effect_begin under a caller's key", LEASED, beginning(replace(ENTRY, caller_key=True))),
    Scenario(
        "effect_begin once more",
        then(BEGUN, answering("deferred", 429)),
        beginning(replace(ENTRY, version=2), once_more=True),
    ),
    Scenario(
        "effect_begin anew", then(BEGUN, answering("refused", 400)), beginning(replace(ENTRY, version=2, generation=1))
    ),
    Scenario("effect_end done", BEGUN, answering("done", 200)),
    Scenario("effect_end refused", BEGUN, answering("refused", 400)),
    Scenario("effect_end unknown", BEGUN, answering("unknown", 0)),
    Scenario("effects_resolve sent", DOUBTFUL, calling(ledger.resolve, "one", "sent"), same_answer=False),
    Scenario("effects_resolve not sent", DOUBTFUL, calling(ledger.resolve, "one", "not_sent"), same_answer=False),
    Scenario(
        "effects_forget", then(BEGUN, answering("done", 200)), calling(ledger.forget, "one", "greet"), same_answer=False
    ),
    Scenario(
        "effects_forget of a fallback",
        then(LEASED, beginning(ENTRY, conditions=FALLBACK), answering("done", 200)),
        calling(ledger.forget, "one", "greet"),
        same_answer=False,
    ),
    Scenario("dead_retry", DEAD, calling(dead_letters.retry, ["one", "two"], by="ann"), same_answer=False),
    Scenario(
        "dead_retry with a word",
        DOUBTFUL,
        calling(dead_letters.retry, ["one", "two"], by="ann", word="not_sent"),
        same_answer=False,
        ignored=("ns:event:one|notes", "ns:event:two|notes"),
    ),
    Scenario("dead_drop", DEAD, calling(dead_letters.drop, ["one", "two"], by="ann"), same_answer=False),
    Scenario("dead_causes", DEAD, at(1000, calling(dead_letters.new_causes, remember=3600))),
    Scenario("replay", DONE, calling(dead_letters.replay, ["one", "two"], by="ann"), same_answer=False),
    Scenario(
        "replay one handler", DONE, calling(dead_letters.replay, ["one"], by="ann", handler="greet"), same_answer=False
    ),
    Scenario(
        "replay another handler again",
        then(BEGUN, answering("done", 200), ending("done")),
        calling(dead_letters.replay, ["one"], by="ann", handler="greet", again=True),
        same_answer=False,
    ),
    Scenario("job_turn", JOB, turning(0, 0), same_answer=False),
    Scenario("job_turn counts", then(JOB, turning(0, 0)), turning(0, 1)),
    Scenario("job_turn ends", then(JOB, turning(0, 0)), turning(0, 2), same_answer=False),
    Scenario("job_state cancels", JOB, calling(bulk_jobs.cancel_job, "j"), same_answer=False),
    Scenario(
        "job_state resumes",
        then(JOB, calling(bulk_jobs.cancel_job, "j")),
        calling(bulk_jobs.resume_job, "j"),
        same_answer=False,
    ),
    Scenario("cancel", accepting(EVENT._replace(delay=9000)), calling(accept.cancel, "one", remember=9000)),
    Scenario(
        "erase",
        then(BEGUN, answering("done", 200), ending("done"), putting("sadd", "erasing", "one")),
        calling(erasure.erase_ended),
    ),
    Scenario(
        "expire",
        then(BEGUN, answering("done", 200), ending("done")),
        at(DAY, calling(maintenance.expire, retention=1, dead_retention=1)),
        same_answer=False,
    ),
    Scenario(
        "expire the dead", DEAD, at(DAY, calling(maintenance.expire, retention=1, dead_retention=1)), same_answer=False
    ),
    Scenario(
        "prune_bodies",
        then(BEGUN, answering("done", 200), ending("done")),
        at(DAY, calling(maintenance.prune_bodies, older_than=1)),
        same_answer=False,
    ),
    Scenario("sweep", then(OPEN, putting("delete", "queue")), calling(maintenance.sweep, first=0), same_answer=False),
    Scenario(
        "quarantine", then(OPEN, cut), calling(dead_letters.quarantine, "stray", "no_job", "error"), same_answer=False
    ),
    Scenario("record_consent", nothing, calling(consent.record_consent, [STOP], now=T / 1000)),
    Scenario(
        "message hold",
        accepting(EVENT._replace(message=STATUS)),
        calling(read_state, "m-1", [Recipient(NUMBER, "e-1")], by="one", purpose="hold", at=T / 1000),
    ),
    Scenario(
        "message sent",
        accepting(EVENT._replace(message=STATUS)),
        calling(read_state, "m-1", [Recipient(NUMBER, "e-1")], by="one", purpose="sent"),
    ),
    Scenario("reply", nothing, calling(reason_against_answer, NUMBER, effect_key="k", limit=3, budget=9, window=60)),
    Scenario("effect_begin of a fallback", LEASED, beginning(ENTRY, conditions=FALLBACK)),
    Scenario(
        "effect_end gives the budget back",
        then(LEASED, beginning(ENTRY, conditions=FALLBACK)),
        answering("refused", 400),
    ),
    Scenario("report opens", LEASED, calling(rate_limits.report, "one", rate_limits.CallReport([OUTAGE], alive=False))),
    Scenario(
        "report strikes",
        LEASED,
        calling(
            rate_limits.report,
            "one",
            rate_limits.CallReport([replace(OUTAGE, strikes=5, within=3_600_000)], alive=False),
        ),
    ),
    Scenario(
        "report lifts",
        PARKED,
        calling(rate_limits.report, "one", rate_limits.CallReport([LIFT], alive=True)),
        same_answer=False,
        ignored=("ns:event:one|notes", "ns:event:two|notes"),
    ),
    Scenario(
        "report limits",
        LEASED,
        calling(
            rate_limits.report,
            "one",
            rate_limits.CallReport(
                [], alive=True, product="sms", limited=True, limit=5, limit_lasts=9000, longest_pause=60_000
            ),
        ),
    ),
    Scenario("acquire", LEASED, calling(rate_limits.acquire, SEND)),
    Scenario("acquire a probe", PARKED, at(5000, calling(rate_limits.acquire, SEND))),
    Scenario("blocks_probe", PARKED, at(5000, calling(blocks.probe, at_once=True)), same_answer=False),
    Scenario(
        "blocks_release",
        then(PARKED, putting("delete", "block:outage")),
        calling(blocks.release),
        same_answer=False,
        ignored=("ns:event:one|notes", "ns:event:two|notes"),
    ),
    Scenario("pause", OPEN, calling(blocks.pause, "greet"), same_answer=False),
    Scenario(
        "resume",
        then(
            OPEN,
            calling(blocks.pause, "greet"),
            claiming("greet"),
            ending("parked", due=T + DAY, blocked_by="paused:greet"),
        ),
        calling(blocks.resume, "greet"),
        same_answer=False,
        ignored=("ns:event:one|notes", "ns:event:two|notes"),
    ),
    Scenario("notice", nothing, NOTED),
    Scenario("notices_take", NOTED, calling(notices.take)),
    Scenario("notices_take ends", then(NOTED, calling(notices.take), told_first), at(10 * DAY, calling(notices.take))),
    Scenario("notice_sent", then(NOTED, calling(notices.take)), told_first),
)
