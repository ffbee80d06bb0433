"""Calls of the scripts for searches and bulk jobs."""

from typing import Any

from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    DAY,
    DONE,
    EVENT,
    JOB,
    OPEN,
    accepting,
    at,
    putting,
    then,
)
from tests.store.healing_scenarios import foreign
from tests.store.script_calls import HOUR, dead, each_of, event, running

FILTERED: tuple[dict[str, Any], ...] = (
    {},
    {"state": "done"},
    {"type": "message.*"},
    {"type": "message.received"},
    {"handler": "greet"},
    {"handler": "gree"},
    {"handler": "text"},
    {"since": T + 500},
    {"since": T},
    {"until": T + 499},
    {"until": T},
    {"died": "greet"},
    {"reason": "why"},
    {"died": "text", "reason": "other"},
    {"reason": "other"},
    {"because": "why"},
    {"attempts": 3},
    {"attempts": 4},
    {"because": "no", "attempts": 3},
    {"numbers": "6e756d62"},
    {"numbers": "00000000,6e756d62"},
    {"numbers": "756d626e"},
    {"numbers": "61616161"},
    {"message": "6e756d62"},
    {"without_crons": True},
)
SEARCHED = then(
    DONE,
    dead("d"),
    dead("e", handler="text", reason="no", after=900),
    foreign("f", [["a", '{"state":"done","reason":"because"}']], received_at=T - 60_000),
    foreign("g", [["a", '{"state":"dead","reason":5}']], received_at=T - 60_000, terms="typexaaaaaaa"),
    at(500, event("late")),
    at(60_000, accepting(EVENT._replace(identity="cron", type="ringback.cron.poll"))),
)
SEARCHES = (
    Scenario(
        "new causes are read page by page",
        then(dead("x"), dead("y", after=498), dead("z", after=499), dead("w", handler="text", after=500)),
        each_of(*(at(1000, running("dead_causes", 3, HOUR)) for _ in range(3))),
    ),
    Scenario(
        "filter_ids",
        SEARCHED,
        each_of(
            *(running("filter_ids", each, "events", 0, 9) for each in FILTERED),
            running("filter_ids", {}, "events", 1, 2),
            running("filter_ids", {}, "dead", 0, 9),
            running("filter_ids", {}, "queue", 0, 9),
            running("filter_ids", {}, "died:2845e0da53908520", 0, 9),
            running("filter_ids", {"state": "dead"}, "", 0, 9, "d", "late", "none"),
        ),
    ),
    Scenario(
        "filter_ids of times that are damaged",
        then(SEARCHED, *(putting("hset", f"event:{each}", "received_at", "x") for each in "de")),
        each_of(
            *(
                running("filter_ids", each, index, 0, 9)
                for each in ({}, {"until": T}, {"since": T}, {"since": 0}, {"until": T, "since": 0})
                for index in ("events", "dead")
            )
        ),
    ),
    Scenario(
        "filter_ids of what is pruned",
        then(SEARCHED, at(DAY, running("prune_bodies", 1, 9))),
        each_of(
            *(
                running("filter_ids", each, "events", 0, 9)
                for each in ({"because": "because"}, {"attempts": 1}, {"handler": "a"})
            )
        ),
    ),
    Scenario(
        "minutes",
        then(SEARCHED, putting("delete", f"minute:{T // 60_000 - 1}"), putting("zadd", "events", {"x": T - 180_000})),
        each_of(
            running("minutes", T // 60_000 + 2, 9),
            running("minutes", T // 60_000 + 1, 2, "6e756d62"),
            running("minutes", T // 60_000 + 1, 9, "6e756d62"),
            running("minutes", T // 60_000, 1, "74797065,6e756d62", "6e756d62"),
            running("minutes", T // 60_000, 9, "79706500"),
        ),
    ),
)

JOBS = (
    Scenario(
        "jobs",
        then(
            JOB,
            putting("zadd", "jobs", {"j": 1, "gone": 2, "k": 3}),
            putting("hset", "job:k", mapping={"state": "collecting"}),
            putting("rpush", "job_ids:k", "a"),
        ),
        each_of(
            running("jobs", 5, "j"),
            running("jobs", 5, "gone"),
            running("jobs", 1),
            running("jobs", 5),
            running("job_state", "k", "resume"),
            running("job_state", "k", "ready", 7, {"retried": 2}),
            running("job_state", "k", "running", 7, {"retried": 2}),
            running("job_state", "k", "resume"),
            running("job_state", "k", "cancel"),
            running("job_state", "k", "cancel"),
            running("job_state", "k", "resume"),
            running("job_state", "j", "ready", 7, {}),
            running("job_state", "gone", "cancel"),
        ),
    ),
    Scenario(
        "creation of a job",
        JOB,
        each_of(
            running("job_list", "n", "a", "b"),
            running("job_list", "n", "c"),
            at(5, running("job_create", "n", "actor", "ann", "state", "running", "collected", 3)),
        ),
    ),
    Scenario(
        "turns of a job",
        then(JOB, OPEN),
        each_of(
            running("job_turn", "j", "r", 9000, 0, 0, {}, 1, 9),
            at(8999, running("job_turn", "j", "s", 9000, 0, 0, {}, 1, 9)),
            at(9000, running("job_turn", "j", "s", 9000, 0, 0, {}, 1, 2)),
            putting("hset", "workers", "w", f"{T + 9000} {{}}"),
            at(9001, running("job_turn", "j", "s", 9000, 0, 0, {}, 1, 2)),
            at(9001, running("job_turn", "j", "s", 9000, 0, 1, {"retried": 1, "gone": 0}, 1, 3)),
            at(9001, running("job_turn", "j", "s", 9000, 0, 1, {"retried": 1}, 5, -1)),
            at(9001, running("job_state", "j", "cancel")),
            at(9002, running("job_turn", "j", "s", 9000, 1, 1, {"retried": 1}, 5, -1)),
            at(9002, running("job_turn", "gone", "s", 9000, 0, 0, {}, 5, -1)),
            putting("hset", "job:k", mapping={"state": "collecting"}),
            running("job_turn", "k", "s", 9000, 0, 0, {}, 5, -1),
        ),
    ),
)
