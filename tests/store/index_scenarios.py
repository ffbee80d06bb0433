"""Calls of the scripts that read, mend and clear indexes."""

import json

from service.store.inbox import accept, maintenance
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    DAY,
    DEAD,
    DONE,
    EVENT,
    NOTED,
    OPEN,
    PARKED,
    STOP,
    at,
    calling,
    claiming,
    ending,
    nothing,
    putting,
    then,
)
from tests.store.script_calls import BODY, HOUR, dead, each_of, event, looking_for_maintenance, running

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
            dead("sha256:0c"),
            putting("hdel", "event:sha256:0c", "received_at"),
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
                "sha256:0c",
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
        "prune_bodies leaves out what is too long",
        then(
            DONE,
            putting("hset", "event:one", mapping={"handlers": json.dumps([*"abc"]), "numbers": "1234"}),
            *(
                putting("hset", "event:one", f"h:{each}", json.dumps({"state": "done", "reason": each * 40, "ran": 2}))
                for each in "abc"
            ),
        ),
        at(99, running("prune_bodies", 9, 9)),
    ),
    *(
        Scenario(
            f"prune_bodies keeps numbers that fit, {length} bytes",
            then(DONE, putting("hset", "event:one", "numbers", "n" * length)),
            at(99, running("prune_bodies", 9, 9)),
        )
        for length in (96, 97, 98)
    ),
    Scenario(
        "what settles a pruned or odd event",
        then(
            *(event(each) for each in ("done", "ignored", "open", "odd", "accepted", "missing")),
            putting("hset", "event:done", mapping={"state": "done", "pruned": "{}"}),
            putting("hset", "event:ignored", mapping={"state": "ignored", "pruned": "{}"}),
            putting("hset", "event:open", mapping={"pruned": "{}"}),
            putting("hset", "event:odd", "state", "odd"),
            putting("hset", "event:accepted", "state", "accepted"),
            putting("hdel", "event:missing", "state"),
            event("timeless"),
            putting("hdel", "event:timeless", "received_at"),
        ),
        each_of(
            running("audit_events", "done", "ignored", "open", "odd", "accepted", "missing"),
            running("claim", "w", 1, 15_000, 10, "", {"greet": ["*"]}, ""),
            running("repair", "done", "ignored", "open", "odd", "accepted", "missing"),
            at(5, running("repair", "timeless")),
            putting("zscore", "events", "timeless"),
            running("sweep", 0, 9),
            running("queue"),
        ),
    ),
    Scenario(
        "the latest notes stay",
        then(
            DONE,
            putting(
                "hset", "event:one", "notes", "".join(f'{{"at":{each},"what":"{"x" * 400}"}}\n' for each in range(10))
            ),
        ),
        each_of(
            running("replay", "ann", "", 0, 1, 1, "", "one"),
            running("replay", "ann", "", 0, 1, 1, "", "one"),
            putting("hget", "event:one", "notes"),
        ),
    ),
    *(
        Scenario(
            f"a note about {length} bytes",
            then(DONE, putting("hset", "event:one", "h:greet", json.dumps({"state": "done", "reason": "r" * length}))),
            each_of(running("replay", "ann", "", 0, 1, 1, "", "one"), putting("hget", "event:one", "notes")),
        )
        for length in (450, 600, 900, 1100, 1900)
    ),
    Scenario(
        "a replay that failed half-way goes on",
        then(DONE, putting("hdel", "event:one", "handlers")),
        each_of(running("replay", "ann", "", 0, 1, 1, "", "one"), putting("hgetall", "event:one")),
    ),
    Scenario(
        "a damaged counter counts as none",
        then(DONE, putting("hset", "counts", mapping={"done": "x", "dead": "-", "open": "2"})),
        each_of(running("totals"), event("two"), running("totals"), running("recount", ""), running("totals")),
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
    Scenario(
        "maintenance_due that another worker has",
        then(DONE, putting("set", "maintenance", "w")),
        running("maintenance_due", "v", 9_000, HOUR, HOUR, HOUR, 0, 2),
    ),
    Scenario("maintenance_due of nothing", nothing, looking_for_maintenance("w", 9_000, 0, 0, 0, 0, 2)),
)
