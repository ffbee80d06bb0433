"""Where a bound lies: one step below it, at it, and one step above it."""

import json
from typing import Any

from tests.store.consent_scenarios import A, B, C, merging
from tests.store.gate_scenarios import acquire, report
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    DAY,
    OPEN,
    Step,
    at,
    claiming,
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
    record,
    renewed,
    running,
)

MINUTE = 60_000
NOW = T // MINUTE
HALF = 524_288
"""Bytes: half of what one reading of the minutes may cost."""


def minutes_of(*sizes: int) -> Step:
    """Minutes whose digests have these sizes, the latest first."""
    return then(*(putting("set", f"minute:{NOW - n}", b"x" * size) for n, size in enumerate(sizes)))


def parked_one(identity: str, *, by: str = "outage", **fields: Any) -> Step:
    """An event that a block holds by its one handler."""
    held = record(state="parked", blocked_by=by, due=T + DAY, ran=1)
    return then(
        event(identity),
        hashed(f"event:{identity}", handlers='["greet"]', **{"h:greet": held, **fields}),
        putting("zadd", "parked:outage", {identity: T + ord(identity[-1])}),
        running("repair", identity),
    )


def many_causes(number: int) -> Step:
    return putting(
        "hset", "causes", mapping={f"{n:016x}": json.dumps(["h", f"r{n}", 1, T, "e"]) for n in range(number)}
    )


def sizes_of(name: str, *lengths: int) -> Step:
    """Events that ended well, whose handler has a reason so long."""
    return then(
        *(
            then(
                event(f"{name}{length}"),
                hashed(
                    f"event:{name}{length}",
                    state="done",
                    handlers='["greet"]',
                    ended_at=T,
                    **{"h:greet": record(state="done", reason="r" * length, ran=2)},
                ),
                putting("zadd", "bodies", {f"{name}{length}": T}),
            )
            for length in lengths
        )
    )


DEATHS = (
    Scenario(
        "deaths are told of up to the last millisecond",
        then(*(dead(name, reason=name, after=after) for name, after in zip("abcdef", (0, 1, 1, 2, 5, 6), strict=True))),
        each_of(
            putting("set", "event:odd", "x"),
            dead("i", reason="imported", after=4),
            hashed("event:i", imported="1"),
            putting("zadd", "dead", {"odd": T + 3}),
            *(
                then(at(moment, running("dead_causes", 2, 9)), putting("get", "dead_checked_until"))
                for moment in (1, 2, 2, 3)
            ),
            *(at(moment, running("dead_causes", 9, 9)) for moment in (5, 6, 7, 8)),
            at(20, running("dead_causes", 9, 9)),
        ),
    ),
    *(
        Scenario(
            f"{number} causes are known apart",
            many_causes(number),
            each_of(
                dead("a", reason="new"),
                dead("b", reason="new"),
                dead("c", reason="other new"),
                running("dead_retry", "ann", "", "{}", "greet", "new", "", "", "b"),
                putting("hget", "event:a", "causes"),
                putting("hget", "event:c", "causes"),
                putting("delete", "causes"),
            ),
        )
        for number in (998, 999, 1000)
    ),
    Scenario(
        "an event with two dead handlers of one cause",
        then(event("a"), event("b")),
        each_of(
            *(
                hashed(
                    f"event:{each}",
                    state="dead",
                    ended_at=T,
                    handlers='["greet","late","greet"]',
                    **{"h:greet": record(state="dead", reason="r"), "h:late": record(state="dead", reason=late)},
                )
                for each, late in (("a", "r"), ("b", "s"))
            ),
            running("repair", "a", "b"),
            putting("hgetall", "causes"),
            putting("hdel", "event:a", "causes"),
            *(
                running("dead_retry", "ann", "", "{}", name, why, "", "", "a", "b")
                for name, why in (("late", "s"), ("", "r"))
            ),
            putting("hgetall", "causes"),
        ),
    ),
)
SIZES = (
    Scenario(
        "what stays of an event has a size",
        then(sizes_of("p", *range(60, 110, 1)), event("bare")),
        each_of(
            hashed("event:p60", **{"h:greet": record(state="done", attempts=7)}),
            hashed("event:p61", **{"h:greet": record(state="done", ran=3, attempts="x")}),
            hashed("event:p62", **{"h:greet": record(state="done", ran="x")}),
            hashed("event:p63", handlers="[]"),
            putting("hdel", "event:p64", "numbers"),
            hashed("pruning", rest="of a call that failed"),
            hashed("event:bare", state="done", ended_at=T, numbers="n"),
            putting("zadd", "bodies", {"bare": T + 1, "none": T}),
            at(9, running("prune_bodies", 10, 99)),
            at(9, running("prune_bodies", 9, 99)),
            at(10, running("prune_bodies", 9, 1)),
            *(putting("hgetall", f"event:{each}") for each in ("p60", "p61", "p62", "p63", "p64", "bare")),
        ),
    ),
    *(
        Scenario(
            f"minutes are read up to a size, {sizes}",
            minutes_of(*sizes),
            each_of(
                running("minutes", NOW, 6, "00000000"),
                running("minutes", NOW, 6, "78787878"),
                running("minutes", NOW, 2, "78787878"),
                *(putting("delete", f"minute:{NOW - n}") for n in range(len(sizes))),
            ),
        )
        for sizes in (
            (HALF, HALF, 4, 4),
            (HALF, HALF - 1, 4, 4),
            (HALF, HALF - 4, 4, 8),
            (4, 0, 4, 4, HALF),
            (8, 8, 0, 8),
        )
    ),
    Scenario(
        "digests are found at their places alone",
        then(
            *(
                putting("set", f"minute:{NOW - n}", each)
                for n, each in enumerate((b"abcdefgh", b"xabcdefg", b"x.%dabcd"))
            )
        ),
        each_of(
            *(
                running("minutes", NOW, 3, each.encode().hex())
                for each in ("abcd", "efgh", "bcde", ".%da", "x.%d", "cdef")
            )
        ),
    ),
    *(
        Scenario(
            f"the times of {number} handlers are kept",
            putting("hset", f"handler_times:minute:{NOW}", mapping={f"h{n}": '{"1":2,"x":"y"}' for n in range(number)}),
            each_of(
                renewed(times={str(NOW): {"h1": {"1": 3, "x": 1, "9": 4}, "greet": {"1": 1}}}),
                renewed(times={str(NOW): {"greet": {"1": 1, "2": 5}}, str(NOW - 60): {"greet": {"1": 1}}}),
                putting("hmget", f"handler_times:minute:{NOW}", "h1", "greet"),
                putting("delete", f"handler_times:minute:{NOW}"),
            ),
        )
        for number in (2, 499, 500)
    ),
)
HELD = (
    Scenario(
        "a block lets go of what it holds",
        then(*(parked_one(each) for each in "abc"), putting("sadd", "blocks", "outage", "other")),
        each_of(
            parked_one("d", by="other"),
            hashed("block:outage", probe_at=0, detail="d", advice="a"),
            running("blocks_lift", "outage", 0),
            hashed("block:outage", probe_at=0, detail="d", advice="a"),
            *(running("blocks_probe", each) for each in "01"),
            putting("hget", "block:outage", "probe_at"),
            putting("delete", "block:outage"),
            running("blocks_release", 0, 9),
            running("blocks_release", 1, 9),
            running("blocks_release", 9, 1),
            running("blocks_release", 1, 2),
            running("blocks_release", 9, 9),
            putting("zrange", "queue", 0, -1, withscores=True),
            putting("smembers", "blocks"),
        ),
    ),
    Scenario(
        "two blocks share what may be released",
        then(parked_one("a"), parked_one("b"), putting("sadd", "blocks", "outage", "x", "y")),
        each_of(
            putting("zadd", "parked:x", {"a": T, "b": T, "c": T}),
            putting("zadd", "parked:y", {"a": T, "b": T, "c": T}),
            running("blocks_release", 4, 9),
            *(putting("zcard", f"parked:{each}") for each in ("outage", "x", "y")),
            running("blocks_release", 1, 9),
            *(putting("zcard", f"parked:{each}") for each in ("outage", "x", "y")),
        ),
    ),
    *(
        Scenario(
            f"a probe of {first}",
            then(
                parked_one("a", lease="w:1", lease_until=lease_until),
                parked_one("b", by=by),
                parked_one("c"),
                putting("sadd", "blocks", "outage"),
                hashed("block:outage", probe_at=probe_at, detail="d", advice="a"),
            ),
            each_of(
                putting("zadd", "parked:outage", {f"gone{n}": n for n in range(gone)} or {"a": T + 97}),
                at(5, running("blocks_probe", at_once)),
                putting("zrange", "parked:outage", 0, 2),
                at(6, running("blocks_probe", at_once)),
                putting("zrange", "queue", 0, -1, withscores=True),
                putting("zcard", "parked:outage"),
            ),
        )
        for first, lease_until, by, probe_at, at_once, gone in (
            ("one that is free", T + 4, "outage", T, "0", 0),
            ("one whose lease ends", T + 5, "outage", T, "0", 0),
            ("one behind a leased one", T + 9, "outage", T, "0", 0),
            ("one that another block holds", T + 9, "other", T, "0", 0),
            ("one with a damaged lease", "x", "outage", T, "0", 0),
            ("one that is never probed", T, "outage", -1, "1", 0),
            ("one at once", T, "outage", T + 99, "1", 0),
            ("one at the begin of time", T, "outage", 0, "0", 0),
            ("one behind 19 that are gone", T, "outage", T, "0", 19),
            ("one behind 20 that are gone", T, "outage", T, "0", 20),
            ("one behind 15 that are gone", T, "outage", T, "0", 15),
        )
    ),
    Scenario(
        "a released one is probed without a second release",
        then(parked_one("a"), parked_one("b"), hashed("block:outage", probe_at=T, detail="d", advice="a")),
        each_of(
            putting("sadd", "blocks", "outage"),
            hashed("event:a", **{"h:greet": record(state="waiting", due=T, ran=1)}),
            running("repair", "a"),
            putting("zadd", "parked:outage", {"a": 1}),
            at(3, running("blocks_probe", "0")),
            hashed("event:b", **{"h:greet": record(state="waiting", due=T + 9, ran=1)}),
            running("repair", "b"),
            putting("zadd", "parked:outage", {"b": 1}),
            at(4, running("blocks_probe", "0")),
            putting("zrange", "parked:outage", 0, -1),
            putting("zadd", "parked:outage", {"b": 1}),
            at(9, running("blocks_probe", "0")),
        ),
    ),
)
JOBS = (
    Scenario(
        "a job goes through its states",
        OPEN,
        each_of(
            *(
                then(
                    hashed("job:j", state=state, **({"collected": 2} if collected else {})),
                    putting("rpush", "job_ids:j", "one"),
                    putting("zadd", "jobs_due", {"j": 1}),
                    each_of(running("job_state", "j", wanted, 3, {"gone": 1}), putting("hgetall", "job:j")),
                )
                for state in ("ready", "running", "collecting", "cancelled", "done")
                for wanted in ("cancel", "resume", "running", "ready")
                for collected in (False, True)
            ),
            putting("delete", "job_ids:j"),
        ),
    ),
    Scenario(
        "turns of a job are one runner's",
        then(OPEN, claiming("greet", limit=1), putting("rpush", "job_ids:j", "one", "two")),
        each_of(
            hashed("job:j", state="running"),
            *(
                then(hashed("job:j", **fields), at(5, running("job_turn", "j", "r", 900, 0, 0, {}, 1, most)))
                for most in (-1, 0, 1, 2)
                for fields in (
                    {"runner": "s", "runner_until": T + 5},
                    {"runner": "s", "runner_until": T + 6},
                    {"runner": "s", "runner_until": "x"},
                    {"runner": "r", "runner_until": T + 9},
                )
            ),
            putting("hdel", "job:j", "runner"),
            hashed("job:j", runner_until=T + 99),
            running("job_turn", "j", "r", 900, 0, 0, {}, 1, 0),
            hashed("workers", w=f"{T} {{}}"),
            *(running("job_turn", "j", "r", 900, 0, 0, {}, 1, most) for most in (-1, 0, 1, 2)),
        ),
    ),
)
STATUSES = (
    Scenario(
        "statuses that nobody knows have an order too",
        nothing,
        each_of(
            *(
                merging(name, [[[A], first, ""], [[], first, ""]], by="one")
                for name, first in (("m", "odd"), ("n", "queued"), ("o", "delivery_unconfirmed"))
            ),
            *(
                merging(name, [[[A, B], second, "AT&T"], [[], second, ""]], by="two")
                for name, second in (("m", "pdd"), ("n", "odd"), ("o", "odd"), ("m", "ndd"), ("n", "sending"))
            ),
            merging("p", [[[A], "delivery_failed", ""]], by="one", at=T - 5),
            merging("p", [[[B], "delivery_failed", ""]], by="two", at=T - 5),
            merging("p", [[[A, B], "delivery_failed", ""]], by="three", at=T - 5),
            merging("q", [[[], "", ""], [[A], "", ""]], by="one"),
            merging("q", [[[C], "sent", ""], [[A], "sent", "X"], [[], "sent", ""]], by="one"),
            running("message_status", "", "m", "n", "o", "p", "q"),
            running("message_status", [A], "m", "n", "o", "p", "q"),
            running("message_status", [C, A], "p", "q"),
        ),
    ),
)
PAUSES = (
    Scenario(
        "a call is let through at the very end of a pause",
        nothing,
        each_of(
            hashed("bucket:sms", blocked_until=T + 5),
            *(at(moment, acquire(f"e{moment}")) for moment in (4, 5, 6)),
            hashed("bucket:sms", blocked_until=T + HOUR, reported_limit=1, reported_until=T + 7),
            *(at(moment, acquire(f"f{moment}")) for moment in (6, 7, 8)),
            hashed("bucket:sms", blocked_until=T + HOUR + 10),
            *(at(moment, acquire(f"g{moment}")) for moment in (9, 10, 11)),
            putting("hgetall", "bucket:sms"),
        ),
    ),
    Scenario(
        "a refusal counts from the end of a pause on",
        nothing,
        each_of(
            *(
                then(
                    putting("delete", "bucket:sms"),
                    hashed("bucket:sms", blocked_until=T + blocked, refusals=refusals, last_new=T + last),
                    at(5, report("one", limited=True, product="sms", good=False, longest_pause=90_000)),
                    putting("hgetall", "bucket:sms"),
                )
                for blocked in (4, 5, 6, HOUR + 5, HOUR + 6)
                for refusals, last in ((0, 4), (9, 5), (10, 6), (11, 9))
            ),
            *(
                then(
                    hashed("bucket:sms", blocked_until=T + blocked),
                    at(5, report("one", wait=10, product="sms", good=True, longest_pause=9000)),
                    putting("hgetall", "bucket:sms"),
                )
                for blocked in (14, 15, 16)
            ),
        ),
    ),
)
BOUNDS = (*DEATHS, *SIZES, *HELD, *JOBS, *STATUSES, *PAUSES)
