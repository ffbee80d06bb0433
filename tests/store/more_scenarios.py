"""Calls of scripts beside those that fail half-way: the answers of readers, and the other ways through the writers."""

import json
import re
from typing import Any

import orjson
from redis.exceptions import ResponseError

from service.store.effects import blocks, rate_limits
from service.store.inbox import accept, maintenance
from tests.store.half_way import Scenario, T, World
from tests.store.half_way_scenarios import (
    DAY,
    DEAD,
    DONE,
    EVENT,
    LEASED,
    LIFT,
    NOTED,
    NUMBER,
    OPEN,
    PARKED,
    STOP,
    Step,
    accepting,
    at,
    calling,
    claiming,
    ending,
    nothing,
    putting,
    then,
)

HOUR = 3_600_000
BODY = json.dumps({"to": NUMBER, "id": "40385f64-5717-4562-b3fc-2c963f66afa6"}).encode()
OTHER = NUMBER.replace("0142", "0143")


def looking_for_maintenance(*arguments: Any) -> Step:
    """Look for maintenance that is due. The share of its memory that a server uses depends on all that it holds."""

    async def act(world: World) -> Any:
        return (await running("maintenance_due", *arguments)(world))[:-1]

    return act


def running(script: str, *args: Any) -> Step:
    """A call of a script. What is no text and no number goes there as JSON."""
    words = [orjson.dumps(each) if isinstance(each, dict | list) else each for each in args]

    async def act(world: World) -> Any:
        answer = await world.store.run(script, *words)
        if script == "claim":
            answer[0] = [[event_id, _by_field(flat)] for event_id, flat in answer[0]]
        return answer

    return act


def _by_field(flat: list[bytes]) -> dict[bytes, bytes]:
    """Return a record by its fields. The server gives those of a large one in any order."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def each_of(*steps: Step) -> Step:
    """Steps whose answers all count, or that a script refuses them."""

    async def answer(world: World, step: Step) -> Any:
        try:
            return await step(world)
        except ResponseError as error:
            return re.sub(r"user_script:\d+|script: \w*", "script", str(error))

    async def act(world: World) -> Any:
        return [await answer(world, step) for step in steps]

    return act


def event(identity: str, **changes: Any) -> Step:
    return accepting(EVENT._replace(identity=identity, **changes))


def dead(identity: str, *, handler: str = "greet", reason: str = "why", after: int = 0) -> Step:
    """An event that one handler of a claim ends, `after` milliseconds."""
    record = json.dumps({"state": "dead", "reason": reason, "ran": 2, "attempts": 3, "error": "error"})
    key = f"event:{identity}"
    fields = {"state": "dead", "handlers": json.dumps([handler]), f"h:{handler}": record, "ended_at": T + after}
    return then(event(identity), putting("hset", key, mapping=fields), running("repair", identity))


NOTICES = (
    Scenario(
        "notices of one cause",
        nothing,
        each_of(
            *(running("notice", "c", each, 2, 300_000) for each in ("a", "a", "b", "d", "b")),
            running("notices_take", 10, 60_000),
            running("notice", "c", "e", 9, 300_000),
            running("notice", "x", "y", 9, 300_000),
            running("notices_take", 10, 60_000),
            at(60_000, running("notices_take", 10, 60_000)),
            at(60_000, running("notice_sent", "c", 300_000, DAY, 1, "a", 2, "b", 1)),
            at(61_000, running("notice", "c", "a", 9, 300_000)),
            at(61_000, running("notice", "c", "z", 9, 1_000)),
            at(61_999, running("notices_take", 10, 60_000)),
        ),
    ),
    Scenario(
        "a cause that only repeats is sent ever more rarely",
        NOTED,
        each_of(
            *(
                step
                for sent_at in (0, 400_000, 1_400_000, 4_000_000)
                for step in (
                    at(sent_at, running("notice", "r", "a", 9, 300_000)),
                    at(sent_at, running("notices_take", 1, 60_000)),
                    at(sent_at, running("notice_sent", "r", 300_000, 1_000_000, 0, "a", 1)),
                )
            ),
            at(4_000_001, running("notice", "r", "new", 9, 300_000)),
            at(4_000_002, running("notice", "r", "a", 9, 300_000)),
        ),
    ),
    Scenario(
        "a notice that came while its cause was sent waits for the shortest pause",
        then(running("notice", "w", "a", 9, 1000), running("notices_take", 1, 60_000)),
        each_of(
            running("notice", "w", "b", 9, 1000),
            running("notice_sent", "w", 1000, DAY, 0, "a", 1),
            at(2_000, running("notice_sent", "w", 1000, DAY, 0, "a", 1)),
            at(9_000, running("notice_sent", "w", 1000, DAY, 0, "b", 1)),
        ),
    ),
)

SIGN = {"state": "running", "handlers": ["greet", "idle"]}
RENEWED = running("renew", "v", 15_000, 0, {"seconds": 7, "place": "app.py:3"}, SIGN, {}, "two", "v:1", "extend", "")
WORKING = then(
    OPEN,
    event("late", delay=90_000),
    claiming("greet", limit=1),
    claiming("greet", worker="v", limit=1),
    running("order_register", {"greet": ["message.*"]}, {}, "0"),
    putting("zadd", "backlog:greet", {"a": T - 5000, "b": T - 4000}),
    putting("sadd", "backlog", "greet", "gone"),
    putting("zadd", "waiting_turn:greet", {"one": 1, "two": 2}),
    putting("hset", "workers", mapping={"old": f"{T - 20_000} {{}}", "stopping": f'{T} {{"state":"stopping"}}'}),
    RENEWED,
)
QUEUES = (
    Scenario("renew tells of what blocks", WORKING, at(1000, RENEWED)),
    Scenario("queue", WORKING, each_of(running("queue"), at(14_999, running("queue")), at(15_001, running("queue")))),
    Scenario("queue that is empty", nothing, running("queue")),
    Scenario("queue of due events", OPEN, at(7_000, running("queue"))),
    Scenario(
        "workers that are silent for long are forgotten",
        putting("hset", "workers", mapping={"old": f"{T} {{}}", "new": f"{T + 1} {{}}", "odd": "x"}),
        at(HOUR + 1, running("renew", "v", 15_000, 0, "", {"ordered": {"greet": ["message.*"]}}, {})),
    ),
    Scenario("workers", WORKING, running("workers")),
    Scenario(
        "silence",
        putting("hset", "silence", "alive", T),
        each_of(
            at(599_999, running("latest_silence")),
            at(600_000, running("latest_silence")),
            at(600_001, running("latest_silence")),
            at(600_000 + 82_800_000, running("latest_silence")),
        ),
    ),
    Scenario("times", nothing, running("renew", "v", 15_000, 0, "", SIGN, {"29833333": {"greet": {"n": 2, "t:1": 3}}})),
    Scenario(
        "rates",
        then(DEAD, DONE, event("three")),
        each_of(running("rates", 60_000, 3), at(60_000, running("rates", 60_000, 2))),
    ),
)

CAUSES = (
    Scenario(
        "issues",
        then(
            dead("a"),
            dead("b", after=500),
            dead("c", reason="other why", after=1500),
            dead("d", handler="text", after=900),
            putting("hset", "issues", mapping={"0123456789abcdef": '{"state":"ignored"}'}),
            putting("hset", "causes", mapping={"0123456789abcdef": "{}", "f" * 16: "{}"}),
        ),
        each_of(
            running("issues"),
            at(2000, running("issue_history", 1000, 3, "2845e0da53908520", "a7202e04e3d2aa64")),
            at(1500, running("issue_history", 500, 2, "2845e0da53908520")),
            at(2500, running("dead_causes", 2, HOUR)),
            at(2600, running("dead_causes", 2, HOUR)),
            at(2700, running("dead_causes", 50, HOUR)),
            at(2800, running("dead_drop", "ann", "greet", "other why", 9_000, "", "a", "c", "d")),
            at(2900, running("dead_retry", "ann", "", "{}", "text", "why", "", "", "b", "d")),
            running("issues"),
        ),
    ),
    Scenario(
        "pauses",
        OPEN,
        each_of(
            calling(blocks.pause, "greet"),
            at(9, calling(blocks.pause, "greet")),
            calling(blocks.pause, "*"),
            claiming("greet", "more"),
            running("blocks"),
            calling(blocks.resume, "never"),
            at(99, calling(blocks.resume, "greet")),
            at(99, calling(blocks.resume, "*")),
        ),
    ),
)

INDEXES = (
    Scenario(
        "recount",
        then(DEAD, event("three"), putting("hset", "counts", mapping={"accepted": 9, "done": 4, "ignored": 7})),
        each_of(running("totals"), running("recount", ""), running("totals"), running("recount", 0), running("totals")),
    ),
    Scenario(
        "repair",
        then(
            DONE,
            dead("three", after=-7),
            event("four"),
            event("odd"),
            *(
                putting("zadd", index, {"one": 1, "three": 2, "four": 3, "gone": 4})
                for index in ("ended", "dead", "events")
            ),
            putting("zadd", "events", {"gone": 4, "five": 5}),
            putting("zrem", "events", "four"),
            putting("delete", "queue"),
            putting("hset", "event:odd", mapping={"handlers": '["greet"]', "h:greet": '{"state":"waiting","due":5}'}),
            putting("zadd", "backlog:greet", {"one": 1}),
        ),
        each_of(
            running("audit_events", "one", "three", "four", "gone", "five", "odd", "never"),
            at(5, running("repair", "one", "three", "four", "gone", "five", "odd", "never")),
            running("audit_events", "one", "three", "four", "gone", "five", "odd", "never"),
        ),
    ),
    Scenario(
        "what is damaged is told of and left",
        then(
            dead("d"),
            DONE,
            putting("set", "event:text", "x"),
            putting("zadd", "events", {"text": 1}),
            event("list"),
            putting("hset", "event:list", "handlers", "no list"),
        ),
        each_of(
            running("audit_events", "text", "list"),
            running("summaries", "text", "one", "gone"),
            running("body_seals", "text", "one", "gone"),
            running("repair", "text"),
            running("dead_drop", "ann", "", "", 9_000, "", "text", "list", "gone", "d"),
            running("dead_retry", "ann", "", "", "", "", "", "", "text", "list", "gone", "one"),
            running("replay", "ann", "", 0, 0, 1, "", "text", "list", "gone"),
            at(DAY, running("claim", "w", 3, 15_000, 10, "", {"greet": ["*"]}, "")),
            at(DAY, running("erase", "text", "list")),
        ),
    ),
    Scenario(
        "what is dropped leaves its id",
        then(
            dead("d"),
            dead("e", after=5000),
            dead("sha256:0a"),
            dead("sha256:0b.1234"),
            putting("zadd", "dead", {"vanished": 1}),
        ),
        each_of(
            running("dead_drop", "ann", "greet", "no", 9_000, "", "d"),
            running("dead_drop", "ann", "nobody", "", 9_000, "", "d"),
            running(
                "dead_drop",
                "ann",
                "greet",
                "why",
                900_000,
                T + 4999,
                "d",
                "e",
                "sha256:0a",
                "sha256:0b.1234",
                "vanished",
            ),
            running("dead_drop", "ann", "", "", 900_000, T + 5000, "e"),
        ),
    ),
    Scenario(
        "body_seals",
        then(
            event("sealed", body=b"\x01\x0a\xff\x00\x1bx"),
            event("plain"),
            event("job"),
            putting("hset", "event:job", "arrived_by", "queue"),
        ),
        running("body_seals", "sealed", "plain", "job", "gone"),
    ),
    Scenario(
        "expire what is old enough",
        then(DONE, dead("d", after=10), event("open"), putting("zadd", "ended", {"open": 1, "lost": 2})),
        each_of(
            at(1000, running("expire", 1001, 991, 10)),
            at(1000, running("expire", 1000, 991, 10)),
            at(1000, running("expire", 1000, 990, 10)),
        ),
    ),
    Scenario(
        "expire a few at once",
        then(dead("a"), dead("b", after=1), dead("c", after=2)),
        at(1000, running("expire", 0, 0, 2)),
    ),
    Scenario(
        "prune_bodies keeps what is small",
        then(
            event("one", words=(STOP,)),
            claiming("greet", "x" * 90, "y" * 90),
            ending("done", reason="why", ran=2, attempts=3),
            event("two", body=BODY),
            claiming("greet", number=2),
            ending("done", ids=("two",), token="w:2", reason="a reason", ran=4, attempts=3),
            putting(
                "hset", "event:one", mapping={f"h:{'x' * 90}": '{"state":"done"}', f"h:{'y' * 90}": '{"state":"done"}'}
            ),
            running("repair", "one"),
        ),
        each_of(
            at(1, running("prune_bodies", 9, 9)),
            at(9, running("prune_bodies", 9, 9)),
            at(99, running("prune_bodies", 9, 9)),
        ),
    ),
    Scenario(
        "sweep page by page",
        then(event("a"), event("b"), event("c"), DONE, putting("delete", "queue")),
        each_of(
            running("sweep", 0, 2), running("sweep", 2, 9), running("sweep", 9, 2), calling(maintenance.sweep, first=0)
        ),
    ),
    Scenario(
        "cancel early and late",
        then(event("one", delay=9000), OPEN, claiming("greet")),
        each_of(
            running("cancel", "new", 900_000),
            calling(accept.accept, [EVENT._replace(identity="new", arrived_by="schedule")]),
            calling(accept.accept, [EVENT._replace(identity="new")]),
            running("cancel", "two", 900_000),
            running("cancel", "one", 900_000),
            running("cancel", "one", 900_000),
        ),
    ),
    Scenario(
        "maintenance_due",
        then(
            DONE,
            dead("d"),
            PARKED,
            putting("sadd", "blocks", "lifted"),
            putting("sadd", "erasing", "one"),
            putting("zadd", "jobs_due", {"j": T}),
            event("lost"),
            putting("zrem", "queue", "lost"),
            NOTED,
        ),
        each_of(
            looking_for_maintenance("w", 9_000, HOUR, HOUR, HOUR, 0, 2),
            looking_for_maintenance("v", 9_000, HOUR, HOUR, HOUR, 0, 2),
            at(999, looking_for_maintenance("w", 9_000, HOUR, HOUR, HOUR, 1, 9)),
            at(1000, looking_for_maintenance("w", 9_000, HOUR, HOUR, HOUR, 1, 1)),
            at(HOUR, looking_for_maintenance("w", 9_000, HOUR, DAY, DAY, 9, 9)),
            at(HOUR, looking_for_maintenance("w", 9_000, DAY, HOUR, DAY, 9, 9)),
            at(HOUR, looking_for_maintenance("w", 9_000, DAY, DAY, HOUR, 9, 9)),
        ),
    ),
    Scenario("maintenance_due of nothing", nothing, looking_for_maintenance("w", 9_000, 0, 0, 0, 0, 2)),
)

BLOCKS = (
    Scenario(
        "blocks that a reading holds",
        then(LEASED, calling(blocks.hold, "outage", detail="detail", advice="advice", interval=5.0)),
        each_of(
            at(1, calling(blocks.hold, "outage", detail="detail 2", advice="advice 2", interval=9.0)),
            ending("parked", due=T + DAY, blocked_by="outage"),
            running("blocks"),
            at(10, calling(rate_limits.report, "one", rate_limits.CallReport([LIFT], alive=True))),
            at(20, running("blocks_probe", "1")),
            at(4999, running("blocks_probe", "0")),
            at(5000, running("blocks_probe", "0")),
            at(6000, running("blocks_lift", "outage", 9)),
            at(6000, running("blocks_lift", "outage", 9)),
        ),
    ),
    Scenario(
        "blocks are probed in time",
        then(PARKED, putting("zadd", "parked:outage", {"gone": 1})),
        each_of(
            at(999, running("blocks_probe", "0")),
            at(1000, running("blocks_probe", "0")),
            at(1001, running("blocks_probe", "0")),
        ),
    ),
    Scenario(
        "blocks are probed at once",
        then(PARKED, putting("hset", "event:one", mapping={"lease": "x:1", "lease_until": T + 11})),
        each_of(at(10, running("blocks_probe", "1")), at(11, running("blocks_probe", "1")), running("blocks")),
    ),
    Scenario(
        "blocks_release leaves room",
        then(
            PARKED,
            putting("delete", "block:outage"),
            putting("sadd", "blocks", "a", "b"),
            putting("zadd", "parked:a", {"x": 1, "y": 2, "z": 3}),
            putting("zadd", "parked:b", {"u": 1}),
            putting("zadd", "queue", {"due": T}),
        ),
        each_of(running("blocks_release", 2, 1), running("blocks_release", 2, 2), running("blocks_release", 9, 9)),
    ),
)

SIGNAL = {
    "name": "outage",
    "outcome": "fails",
    "interval": 1000,
    "longest": 3000,
    "quiet": 9000,
    "detail": "d",
    "advice": "a",
    "strikes": 1,
    "within": 9000,
}
ONE_OF_THREE = SIGNAL | {"strikes": 3}


def report(event_id: str, *signals: dict[str, Any], **told: Any) -> Step:
    return running("report", event_id, {"signals": list(signals), "alive": False} | told)


def acquire(
    event_id: str, *names: str, product: str = "sms", slot: str = "", requeued: int = 0, limit: int = 2
) -> Step:
    return running("acquire", f"t-{event_id}", event_id, 1000, 5000, product, limit, requeued, slot, *names)


GATE = (
    Scenario(
        "an outage is probed and lifted",
        LEASED,
        each_of(
            report("e1", ONE_OF_THREE),
            at(9001, report("e2", ONE_OF_THREE)),
            at(9002, report("e2", ONE_OF_THREE)),
            at(9003, report("e3", ONE_OF_THREE)),
            at(9004, report("e4", ONE_OF_THREE)),
            at(9004, acquire("e4", "outage")),
            at(10_004, acquire("e4", "outage")),
            at(10_005, acquire("e5", "outage")),
            at(10_006, report("e5", SIGNAL)),
            at(10_006, report("e4", SIGNAL)),
            at(12_006, acquire("e4", "outage")),
            at(12_007, report("e4", SIGNAL | {"outcome": "unclear"})),
            at(14_007, acquire("e4", "outage")),
            at(14_008, report("e4", SIGNAL)),
            at(14_008, report("e4", SIGNAL | {"outcome": "stays"})),
            at(18_008, acquire("e4", "outage")),
            at(18_009, report("e4", SIGNAL | {"outcome": "lifts"}, alive=True)),
            at(18_010, report("e5", SIGNAL)),
            at(30_000, report("e5", SIGNAL)),
            at(30_000, report("e6", SIGNAL | {"name": "another", "interval": 90_000, "longest": 90_000})),
            at(120_000, acquire("e6", "another", product="")),
            at(120_001, report("e6", SIGNAL | {"name": "another", "outcome": "unclear"})),
        ),
    ),
    Scenario(
        "one success ends a row of failures",
        nothing,
        each_of(
            report("e1", ONE_OF_THREE),
            report("e2", ONE_OF_THREE, alive=True),
            report("e3", ONE_OF_THREE),
            report("e3", ONE_OF_THREE),
            report("e4", ONE_OF_THREE),
        ),
    ),
    Scenario(
        "a limit of Telnyx's",
        nothing,
        each_of(
            acquire("a"),
            report("a", alive=True, product="sms", limited=True, longest_pause=3000),
            at(1, report("b", alive=True, product="sms", limited=True, longest_pause=3000)),
            at(2, acquire("b")),
            at(1000, report("b", alive=True, product="sms", limited=True, longest_pause=3000)),
            at(3000, report("c", alive=True, product="sms", limited=True, longest_pause=3000)),
            at(6000, report("c", alive=True, product="sms", good=True, limit=1, limit_lasts=9000)),
            at(6000, acquire("c")),
            at(6500, acquire("d")),
            at(6501, acquire("d", requeued=1)),
            at(7000, report("d", alive=True, product="sms", wait=5000)),
            at(7001, report("d", alive=True, product="sms", wait=1000)),
            at(7002, acquire("e", requeued=1)),
            at(15_001, acquire("f")),
            at(15_001, report("f", alive=True, product="mms", limit=0.5, limit_lasts=9000)),
            at(15_001, acquire("g", product="mms")),
            at(15_002, acquire("h", product="mms")),
        ),
    ),
    Scenario(
        "slots",
        nothing,
        each_of(
            *(at(number, acquire(f"e{number}", slot="")) for number in range(4)),
            at(10, acquire("back", slot=f"{T + 1150}.000")),
            at(11, acquire("back", slot=f"{T + 1}.000")),
            at(1000, acquire("e9")),
            at(1200, acquire("e8", requeued=1)),
            at(1201, acquire("e7")),
            at(5000, acquire("e7")),
            at(9000, acquire("e6")),
            at(9100, acquire("e6")),
            at(20_000, acquire("slow", product="rcs", limit=1)),
            at(20_001, acquire("slow", product="rcs", limit=1)),
            at(23_000, acquire("slow", product="rcs", limit=1)),
        ),
    ),
    Scenario(
        "the clock was put back",
        at(9 * DAY, each_of(acquire("a"), report("a", alive=True, product="sms", wait=HOUR))),
        each_of(acquire("b"), report("b", alive=True, product="sms", wait=1000), at(500, acquire("c"))),
    ),
    Scenario("acquire without a limit", nothing, each_of(acquire("a", product=""), acquire("b", "outage", product=""))),
)

MORE_SCENARIOS: tuple[Scenario, ...] = (*NOTICES, *QUEUES, *CAUSES, *INDEXES, *BLOCKS, *GATE)
