"""Calls of the scripts for notices, the queue and the causes of dead events."""

from service.store.effects import blocks
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    DAY,
    DEAD,
    DONE,
    NOTED,
    OPEN,
    at,
    calling,
    claiming,
    nothing,
    putting,
    then,
)
from tests.store.script_calls import HOUR, dead, each_of, event, running

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
    Scenario(
        "queue after the clock was put back",
        then(WORKING, putting("delete", "backlog:greet"), putting("zadd", "backlog:greet", {"a": T + 5000})),
        running("queue"),
    ),
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
        "a reason that bears the name of the others",
        then(dead("a", reason="other"), dead("b", reason="rare"), putting("hset", "event:b", "causes", "0" * 16)),
        each_of(
            running("dead_retry", "ann", "", "{}", "", "rare", "", "", "a", "b"),
            running("dead_drop", "ann", "", "other", 9_000, "", "none"),
            running("dead_retry", "ann", "", "{}", "greet", "other", "", "", "a", "b"),
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
