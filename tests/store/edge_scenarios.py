"""Records that are damaged or half-written: what a script makes of them, next to those that are in order."""

from typing import Any

from tests.store.half_way import Scenario, T, World
from tests.store.half_way_scenarios import (
    LEASED,
    OPEN,
    Step,
    at,
    claiming,
    ending,
    nothing,
    putting,
    then,
)
from tests.store.script_calls import (
    HOUR,
    dead,
    each_of,
    event,
    hashed,
    looking_for_maintenance,
    queued,
    record,
    renewed,
    running,
)

ODD_HANDLERS = {
    "h:greet": '{"state":"waiting","due":"soon","blocked_by":{},"reason":7}',
    "h:late": '{"state":"waiting","due":1790000000500,"blocked_by":"outage","reason":"r"}',
}
SETTLED = ("a", "b", "c", "d", "e", "f", "g")


def quarantined(identity: str, *, reason: str = "no_job", said: str = "said", named: str = "") -> Step:
    """The quarantine of a job of this deployment, by its own name unless another is given."""

    async def act(world: World) -> Any:
        job = world.keys.job_id(identity)
        return await world.store.run("quarantine", job, reason, said, named or job)

    return act


def state_of(identity: str, state: str) -> Step:
    """A foreign job's event in a state, and in the index of that."""

    async def act(world: World) -> Any:
        event_id = f"foreign:{world.keys.job_id(identity)}"
        await world.redis.hset(world.keys.event(event_id), mapping={"state": state})
        if state == "done":
            await world.redis.zadd(f"{world.keys.namespace}:ended", {event_id: T})

    return act


ABOUT = {"handler": "greet", "place": "app.py:3 in greet"}
OTHER = {"handler": "late", "place": "app.py:9 in late"}
QUARANTINES = (
    Scenario(
        "a job that became an event is no foreign one",
        then(event("two"), queued("two", "gone", "was_done", "is_open", "named")),
        each_of(
            quarantined("two"),
            quarantined("gone"),
            queued("gone"),
            quarantined("gone", reason="no_text", said="said again"),
            state_of("was_done", "done"),
            quarantined("was_done"),
            state_of("is_open", "open"),
            quarantined("is_open"),
            quarantined("named", named="a name"),
            quarantined("two", named="another"),
            quarantined("two"),
            putting("zrange", "dead", 0, -1),
        ),
    ),
)
RENEWALS = (
    Scenario(
        "overdue events stand anywhere in a renewal",
        then(OPEN, event("three"), claiming("greet", "late")),
        each_of(
            at(
                5000, renewed("one", "w:1", "extend", "", "two", "w:1", "overdue", ABOUT, "three", "w:1", "overdue", "")
            ),
            at(5001, renewed("one", "w:1", "extend", "", "two", "w:1", "overdue", ABOUT, "three", "w:1", "extend", "")),
            at(5002, claiming("greet", "late", number=2)),
            at(5003, renewed("two", "w:2", "overdue", OTHER, "three", "w:2", "overdue", OTHER)),
            hashed("event:two", blocked="odd"),
            at(5004, claiming("greet", "late", number=3)),
            at(5005, renewed("two", "w:3", "overdue", "")),
            at(5006, renewed("one", "w:2", "overdue", ABOUT)),
        ),
    ),
    Scenario(
        "a renewal meets what is no record",
        then(LEASED, putting("set", "event:odd", "x"), event("bare"), event("theirs")),
        each_of(
            *(putting("sadd", f"{kind}:w", "odd", "bare", "theirs", "none") for kind in ("lapsed", "held")),
            hashed("event:theirs", lease="v:1", lease_until=T + 9999, lapses=2, lapse_tokens="w:1 v:1 ww:1 w:2 "),
            hashed("event:one", lapses="x", lapse_tokens="w:1 "),
            hashed("event:two", lapses=0, lapse_tokens="w:1 "),
            putting("sadd", "lapsed:w", "one", "two"),
            at(5000, renewed("odd", "w:1", "overdue", "", "one", "w:1", "extend", "", "odd", "w:1", "extend", "")),
            putting("smembers", "held:w"),
            hashed("event:bare", lapses=1),
            putting("sadd", "lapsed:w", "bare", "theirs"),
            putting("sadd", "held:w", "two", "theirs"),
            at(5001, renewed(answered=0)),
            putting("smembers", "held:w"),
            at(5001, renewed(answered=1)),
            putting("smembers", "held:w"),
        ),
    ),
    Scenario(
        "workers tell of themselves, and that they are blocked",
        hashed("workers", old=f"{T - HOUR - 1} {{}}", new=f"{T - HOUR} {{}}", odd="x"),
        each_of(
            renewed(blocked={"seconds": 7, "place": "p"}, sign={"ordered": {"greet": ["message.*"]}}),
            putting("hgetall", "blocked"),
            putting("hgetall", "workers"),
            renewed(sign={"ordered": {}}),
            putting("hgetall", "blocked"),
            putting("hgetall", "workers"),
        ),
    ),
)
LAPSES = (
    *(
        Scenario(
            f"an event lapses again: {name}",
            then(
                event("one"),
                claiming("greet", "late", "over"),
                hashed("event:one", **fields),
                hashed(
                    "event:one", **{"h:over": record(state="done"), "h:late": record(state=late, attempts=1, ran=2)}
                ),
            ),
            each_of(
                at(60_000, claiming("greet", "late", worker="x", alone=True)),
                at(61_000, claiming("greet", "late", worker="x", number=2, alone=True)),
                running("audit_events", "one"),
            ),
        )
        for name, late, fields in (
            ("counted before", "waiting", {"lapse_tokens": "w:1 ", "lapses": 1}),
            ("of another claim", "waiting", {"lapse_tokens": "w:11 ww:1 w:2 ", "lapses": 1}),
            ("a damaged number", "waiting", {"lapses": "x"}),
            ("once while alone", "waiting", {"lapses": 1, "alone": 1}),
            ("not alone", "waiting", {"lapses": 5}),
            ("alone", "dead", {"lapses": 2, "alone": 1}),
            ("where the first one blocked", "waiting", {"lapses": 2, "alone": 1, "blocked": '{"greet":"app.py:3"}'}),
            ("an unreadable list", "waiting", {"lapses": 2, "alone": 1, "handlers": "odd"}),
            ("all have ended", "done", {"lapses": 2, "alone": 1, "h:greet": record(state="done")}),
        )
    ),
    Scenario(
        "lapses are counted up to a length",
        then(event("one"), claiming("greet"), hashed("event:one", lapse_tokens="v:1 " * 249 + "v:22 ", lapses=1)),
        each_of(at(60_000, claiming("greet", worker="x", alone=True)), putting("hget", "event:one", "lapse_tokens")),
    ),
)
RERUNS = (
    Scenario(
        "an ended event runs again with its history",
        then(*(dead(each) for each in SETTLED), *(event(each) for each in ("open", "half", "shut"))),
        each_of(
            hashed("event:a", lapses=2, alone=1, lease="w:1", lease_until=T - 1),
            hashed("event:b", lapses=3),
            hashed("event:c", lapses="x"),
            hashed("event:d", lapses=5, cancelled="1"),
            hashed("event:e", **{"h:greet": record(state="dead", reason="why", runs=[{"began": 1}])}),
            hashed("event:f", **{"h:greet": record(state="dead", reason="why", runs=[{"began": 1}, {"began": 2}])}),
            hashed("event:g", ended_at="x"),
            hashed("event:half", state="dead", handlers='["greet"]', **{"h:greet": record(state="pending", due=T)}),
            hashed("event:shut", state="dead", handlers='["greet"]', **{"h:greet": record(state="done")}),
            running("dead_retry", "ann", "", "{}", "", "", "", T - 1, "g", "a"),
            running("dead_retry", "ann", "", "{}", "", "", "", "", *SETTLED, "open", "half", "shut"),
            *(putting("hgetall", f"event:{each}") for each in ("a", "b", "c", "e", "f", "half")),
            running("replay", "ann", "greet", 0, 0, 1, "", *SETTLED, "half", "shut"),
            running("replay", "ann", "new", 0, 0, 1, "", "shut"),
            running("replay", "ann", "", 0, 0, 1, "", "half", "shut"),
        ),
    ),
    Scenario(
        "what is in doubt is not run again",
        then(dead("a"), dead("b"), dead("c")),
        each_of(
            *(putting("zadd", f"effects:{each}", {f"e{each}": T, f"x{each}": T + 1}) for each in "abc"),
            hashed("effect:ea", state="started", unconfirmed=1, version=1, handler="greet", bytes="b", status=422),
            hashed("effect:xa", state="started", handler="greet", bytes="b"),
            hashed("effect:eb", state="started", unconfirmed=0, version=1, handler="greet", bytes="b"),
            hashed("effect:xb", state="done", version=1, handler="other", bytes="b"),
            hashed("effect:ec", state="forgotten", version=1, handler="greet", bytes="b"),
            *(running("replay", "ann", "greet", again, 0, act, "", *"abc") for again in (0, 1) for act in (0, 1)),
            running("dead_retry", "ann", "", "{}", "", "", "", "", *"abc"),
            running("dead_retry", "ann", "not_sent", "{}", "", "", "", "", *"abc"),
            *(putting("hgetall", f"effect:{each}") for each in ("ea", "xa", "eb", "xb", "ec", "xc")),
        ),
    ),
    Scenario(
        "who is busy with an effect",
        then(LEASED, putting("zadd", "effects:one", {f"e{n}": T for n in range(8)})),
        each_of(
            hashed("effect:e0", state="started", run="r", holder="one", token="w:1", version=1),
            hashed("effect:e1", state="started", run="s", holder="one", token="w:1", version=1),
            hashed("effect:e2", state="done", run="s", holder="one", token="w:1", version=1),
            hashed("effect:e3", state="started", run="s", token="w:1", version=1),
            hashed("effect:e4", state="started", run="s", holder="one", version=1),
            hashed("effect:e5", state="started", holder="one", token="w:1", version=0),
            putting("set", "effect:e6", "x"),
            running("effects", "one", "r"),
            *(running("effects", "one", "r", f"e{n}") for n in range(9)),
            hashed("event:one", lease_until=T),
            running("effects", "one", "r"),
            hashed("event:one", lease_until="x"),
            running("effects", "one", "r"),
        ),
    ),
)
AUDITS = (
    Scenario(
        "an audit tells of every contradiction",
        then(*map(event, "abcdefgh"), claiming("greet", "late", limit=3)),
        each_of(
            hashed("event:a", lease_until="x"),
            hashed("event:b", state="done", lease_until=T),
            hashed("event:c", state="done"),
            hashed("event:d", handlers='["greet","late"]', **ODD_HANDLERS),
            hashed("event:e", handlers='["late"]', **ODD_HANDLERS),
            hashed("event:f", handlers='["greet"]', **{"h:greet": record(state="done")}),
            hashed("event:g", handlers='["greet",5]'),
            putting("hdel", "event:h", "due"),
            putting("zadd", "backlog:greet", dict.fromkeys("abdfh", T)),
            putting("zadd", "backlog:late", dict.fromkeys("de", T)),
            running("audit_events", *"abcdefgh", "none"),
            at(20_000, running("audit_events", *"abcdefgh")),
            running("repair", *"abcdefgh"),
            running("audit_events", *"abcdefgh"),
            *(putting("hgetall", f"event:{each}") for each in "abcdefgh"),
            putting("zrange", "queue", 0, -1, withscores=True),
        ),
    ),
    Scenario(
        "repair takes what is gone out of every index",
        then(
            dead("d"), event("gone"), LEASED, ending("done", ids=("one",)), event("leased"), claiming("greet", number=2)
        ),
        each_of(
            putting("delete", "event:gone"),
            *(putting("zadd", index, {"gone": T, "never": T}) for index in ("ended", "dead", "backlog:greet")),
            putting("sadd", "backlog", "greet"),
            putting("hdel", "event:one", "body"),
            putting("zrem", "bodies", "one"),
            putting("zrem", "ended", "one"),
            hashed("event:one", lease="w:1", lease_until=T + 99, alone=1),
            hashed("event:two", state="dead", handlers='["greet"]', **{"h:greet": record(state="dead", reason="r")}),
            running("repair", "gone", "never", "one", "two", "d"),
            running("audit_events", "gone", "never", "one", "two", "d"),
            putting("hgetall", "event:one"),
        ),
    ),
    *(
        Scenario(
            f"the counts are put right, {place}",
            then(event("a"), event("b"), dead("c"), LEASED, ending("done")),
            each_of(
                hashed("counts", **counts),
                running("recount", ignored),
                putting("hgetall", "counts"),
                running("recount", ignored),
            ),
        )
        for place, (ignored, counts) in enumerate(
            (
                (1, {"done": 1, "ignored": 1}),
                (0, {"open": 99}),
                (9, {"accepted": 1, "dead": 7}),
                ("", {"ignored": 1}),
                ("", {"done": 3}),
                (-4, {"ignored": 2}),
            )
        )
    ),
    Scenario(
        "erasing what is no record, or has none",
        then(dead("a"), dead("b"), OPEN, LEASED),
        each_of(
            putting("set", "event:odd", "x"),
            hashed("event:a", arrived_by=" "),
            hashed("event:b", arrived_by="webhook 1 sig"),
            putting("zadd", "effects:a", {"ea": T, "eb": T, "ec": T}),
            hashed("effect:ea", state="started", answer='{"data":{"id":"x","to":"+1"}}', bytes="b", event="one"),
            hashed("effect:eb", state="started", redacted_answer='{"id":"x"}', answer="whole", bytes="b"),
            hashed(
                "effect:ec", state="done", redacted_answer="", answer='{"id":"y","text":"t"}', bytes="b", event="one"
            ),
            running("erase", "odd", "none", "a", "b"),
            *(putting("hgetall", f"effect:{each}") for each in ("ea", "eb", "ec")),
            *(putting("hgetall", f"event:{each}") for each in "ab"),
        ),
    ),
    Scenario(
        "expired events are forgotten up to a moment",
        then(dead("a"), dead("b", after=5), LEASED, ending("done", ids=("one",))),
        each_of(
            putting("set", "forgotten_until", T + 50),
            putting("zadd", "ended", {"a": T, "two": T, "none": T}),
            putting("zadd", "dead", {"one": T + 1, "gone": T}),
            at(100, running("expire", 60, 60, 9)),
            putting("get", "forgotten_until"),
            at(100, running("expire", 50, 50, 9)),
            putting("get", "forgotten_until"),
            at(200, running("expire", 9, 9, 1)),
            putting("get", "forgotten_until"),
            putting("zrange", "ended", 0, -1),
            putting("zrange", "dead", 0, -1),
        ),
    ),
)
_due = looking_for_maintenance("w", 9000, HOUR, HOUR, HOUR, 0, 9)
QUEUES = (
    Scenario(
        "the queue while workers are blocked",
        then(OPEN, event("three"), claiming("greet", limit=1)),
        each_of(
            running("queue"),
            hashed(
                "blocked",
                w=record(since=T - 700, till=T + 9, place="p"),
                v=record(since=T - 900, till=T + 9, place="p"),
                u=record(since=T - 999, till=T, place="p"),
            ),
            running("queue"),
            at(-50, running("queue")),
            hashed(
                "workers", w=f"{T} {record(handlers=['greet', 'new'])}", v=f"{T} {record(handlers=5)}", u=f"{T} odd"
            ),
            putting("zadd", "backlog:greet", {"one": T - 40, "two": T - 30}),
            putting("sadd", "backlog", "greet", "empty"),
            at(5, running("queue")),
            at(20_000, running("queue")),
        ),
    ),
    Scenario(
        "what is due for maintenance, beside damaged values",
        then(event("a"), event("b"), dead("d"), dead("e", after=3)),
        each_of(
            hashed("block:x", probe_at=0, detail="d", advice="a"),
            putting("sadd", "blocks", "x"),
            *(
                then(change, at(4, _due))
                for change in (
                    nothing,
                    hashed("block:x", probe_at=-1),
                    hashed("block:x", probe_at=T + 4),
                    hashed("block:x", probe_at=T + 5),
                    putting("set", "dead_checked_until", T),
                    putting("set", "dead_checked_until", T + 3),
                    putting("zrem", "events", "a"),
                    putting("delete", "queue"),
                    putting("set", "block:x", "odd"),
                    putting("set", "jobs_due", "odd"),
                )
            ),
        ),
    ),
)
EDGES = (*QUARANTINES, *RENEWALS, *LAPSES, *RERUNS, *AUDITS, *QUEUES)
