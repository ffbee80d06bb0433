"""Calls of the scripts for claims and their ends."""

from service.store.inbox import order
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    BEGUN,
    DONE,
    NUMBERED,
    NUMBERING,
    OPEN,
    ORDERED,
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
from tests.store.script_calls import BODY, dead, each_of, event, running

CLAIMED = ("claim", "w", 1, 15_000, 10, "", {"greet": ["message.*"]}, "")


def asking(*ids: str, token: str = "w:1", first: str = "ab", further: tuple[str, ...] = ()) -> Step:
    """Let events ask whether it is their turn. What then stands in their records and lanes is answered too."""
    digests = {"greet": (first, *further)}
    turns = calling(order.take_turns, [order.Placing(each, digests, token) for each in ids])
    reads = (putting("hgetall", key) for key in ("turns", "event:three"))
    lanes = (
        putting("zrange", key, 0, -1, withscores=True) for key in ("lane:greet:ab", "waiting_turn:greet", "unkeyed")
    )
    return each_of(turns, *reads, *lanes)


CLAIMS = (
    Scenario(
        "claims",
        then(
            event("a"),
            event("b", type="test.x"),
            event("later", delay=5000),
            putting("zadd", "queue", {"stray": T, "x:y": T}),
        ),
        each_of(
            running("claim", "w", 1, 15_000, 1, "", {"greet": ["message.*"]}, ""),
            running("claim", "w", 1, 15_000, 1, "", {"greet": ["message.*"]}, ""),
            running("claim", "w", 2, 15_000, 9, "", {"greet": ["message.*"], "all": ["*"]}, ""),
            running("claim", "w", 3, 15_000, 9, "", {"greet": ["message.*"]}, "", "later"),
            at(5000, running("claim", "w", 4, 15_000, 9, "", {"greet": ["test.*"]}, "")),
            at(15_000, running("claim", "v", 1, 15_000, 9, "", {"greet": ["*"]}, "")),
            at(30_000, running("claim", "u", 1, 15_000, 9, "", {"greet": ["*"]}, "")),
            at(45_000, running("claim", "x", 1, 15_000, 9, "", {"greet": ["*"]}, "")),
            at(45_000, running("claim", "x", 2, 15_000, 9, "1", {"greet": ["*"]}, "")),
            at(45_001, running("claim", "y", 1, 15_000, 9, "1", {"greet": ["*"]}, "")),
            at(60_000, running("claim", "z", 1, 15_000, 9, "1", {"greet": ["*"]}, "")),
        ),
    ),
    Scenario(
        "a lapse of a worker that stops does not count",
        then(event("a"), claiming("greet"), putting("set", "draining:w", "1")),
        each_of(at(15_000, claiming("greet", worker="v")), at(30_000, claiming("greet", worker="u"))),
    ),
    Scenario(
        "the claim of what is damaged",
        then(
            event("a"),
            event("b"),
            event("c"),
            event("d"),
            putting("hset", "event:d", mapping={"received_at": "x", "deliveries": "y", "handlers": "no list"}),
            putting("delete", "event:a"),
            putting("set", "event:a", "x"),
            putting("hset", "event:b", mapping={"handlers": "no list", "h:old": '{"state":"done"}', "h:new": "odd"}),
            putting("hset", "event:b", "h:dead", '{"state":"dead","reason":"why"}'),
            putting(
                "hset", "event:c", mapping={"received_at": "x", "handlers": '["greet"]', "h:greet": '{"state":"odd"}'}
            ),
        ),
        each_of(running(*CLAIMED), running(*CLAIMED), running("audit_events", "a", "b", "c")),
    ),
    Scenario(
        "an event that waits asks again",
        then(OPEN, event("three"), event("four", type="test.x"), claiming("greet"), calling(order.register, ORDERED)),
        each_of(
            asking("one", "two", "three"),
            at(9, asking("three")),
            at(9, asking("three", further=("cd",))),
            at(10, ending("done", ids=("one",))),
            at(11, asking("three")),
            at(12, asking("three", "two")),
            at(13, asking("four", "none", token="")),
            at(14, ending("done", ids=("two",))),
            at(15, asking("three")),
            at(16, asking("three", token="w:2")),
            at(17, ending("done", ids=("three",))),
            at(300_012, asking("four", "two")),
            running("audit_events", "one", "two", "three", "four"),
        ),
    ),
    Scenario(
        "a long silence makes what came before uncertain",
        event("a"),
        each_of(
            *(
                step
                for number, silent in enumerate((599_999, 600_000, 82_799_999, 82_800_000, 90_000_000))
                for step in (
                    putting("hset", "silence", "alive", T),
                    at(silent, running("claim", "w", number + 1, 15_000, 1, "", {}, "")),
                    putting("hgetall", "silence"),
                )
            ),
            at(90_000_001, running("claim", "w", 7, 15_000, 1, "", {}, "")),
            at(91_000_000, running("claim", "w", 8, 15_000, 1, "", {}, "")),
            putting("hgetall", "silence"),
            at(99_000_000, running("renew", "w", 15_000, 9, "", {}, {})),
            putting("hgetall", "silence"),
        ),
    ),
    Scenario(
        "a wait for quiet hours is no backlog",
        then(OPEN, claiming("greet")),
        each_of(
            ending("waiting", ids=("one",), due=T + 99, reason="quiet_hours"),
            ending("waiting", ids=("two",), due=T + 99, reason="retry"),
            putting("zrange", "backlog:greet", 0, -1),
            at(99, claiming("greet", number=2)),
            at(99, ending("parked", token="w:2", due=T + 999, reason="quiet_hours", blocked_by="x")),
            putting("zrange", "backlog:greet", 0, -1),
        ),
    ),
    Scenario(
        "a turn under another key is asked for again",
        then(event("one"), event("two"), claiming("greet"), calling(order.register, ORDERED)),
        each_of(
            asking("one", first="cd"),
            asking("two", further=("cd",)),
            at(999, asking("two", further=("cd",))),
            at(1000, asking("two", further=("cd",))),
            at(1001, asking("two", further=("cd",))),
            at(1002, ending("done", ids=("one",))),
            at(1003, asking("two", further=("cd",))),
            putting("hgetall", "event:two"),
        ),
    ),
    *(
        Scenario(f"an event that is due in {delay} ms", nothing, event("a", delay=delay))
        for delay in (998, 999, 1000, 1001, 1500, 2500)
    ),
    Scenario(
        "events of several keys take their turns in one claim",
        then(
            NUMBERING,
            accepting(
                *NUMBERED,
                *(
                    NUMBERED[0]._replace(identity=each, body=NUMBERED[0].body.replace(b"0142", each.encode()))
                    for each in ("0143", "0144")
                ),
            ),
        ),
        each_of(
            claiming("greet", in_order=True),
            putting("hgetall", "turns"),
            ending("done", ids=("0143", "one")),
            putting("hgetall", "turns"),
        ),
    ),
    Scenario(
        "one without a place holds up those after it",
        then(*map(event, ("one", "two", "three", "four")), claiming("greet"), calling(order.register, ORDERED)),
        each_of(asking("one", "two", "four"), asking("four"), asking("three"), asking("four")),
    ),
    Scenario(
        "a claim goes on behind jobs that it leaves",
        then(*map(event, ("one", "two", "three")), putting("zadd", "queue", {"stray": 5, "other": 6})),
        each_of(
            running("claim", "w", 1, 15_000, 2, "", {"greet": ["*"]}, ""),
            running("claim", "w", 2, 15_000, 9, "", {"greet": ["*"]}, ""),
            running("claim", "w", 2, 15_000, 9, "", {"greet": ["*"]}, ""),
        ),
    ),
    *(
        Scenario(
            f"poison is known by where it blocked before, {blocked}",
            then(
                event("one"),
                claiming("greet", "late", "ended"),
                putting("hset", "event:one", mapping={"lapses": 2, "alone": 1, "blocked": blocked}),
                putting("hset", "event:one", "h:ended", '{"state":"done"}'),
                putting("hset", "event:one", "h:late", '{"state":"waiting","ran":3,"due":9,"blocked_by":{}}'),
            ),
            each_of(at(60_000, claiming("greet", "late", worker="x", number=7)), running("audit_events", "one")),
        )
        for blocked in ('{"late":"app.py:3"}', '{"ended":"app.py:3"}', "odd")
    ),
    Scenario(
        "a later format",
        putting("set", "format", 2),
        each_of(running(*CLAIMED), running("maintenance_due", "w", 9, 0, 0, 0, 0, 1)),
    ),
    Scenario(
        "finish under a lease",
        then(OPEN, claiming("greet")),
        each_of(
            ending("done", token="w:2"),
            at(15_000, ending("done", ids=("one",))),
            at(14_999, ending("waiting", ids=("one",), due=T + 99, release=False, reason="r")),
            ending("dead", ids=("two",), reason="why", error="e"),
            ending("done", ids=("one",)),
            ending("done", ids=("one",)),
        ),
    ),
    Scenario(
        "renew some",
        then(OPEN, claiming("greet"), event("three"), claiming("greet", number=2)),
        each_of(
            at(5000, running("renew", "w", 20_000, 1, "", {}, {}, "three", "w:2", "extend", "")),
            at(
                6000,
                running("renew", "w", 20_000, 2, "", {}, {}, "three", "w:1", "extend", "", "two", "w:1", "overdue", ""),
            ),
            at(
                7000,
                running(
                    "renew", "w", 20_000, 2, "", {}, {}, "three", "w:2", "overdue", {"handler": "greet", "place": "p"}
                ),
            ),
            at(
                7000,
                running(
                    "renew", "w", 20_000, 2, "", {}, {}, "three", "w:2", "overdue", {"handler": "greet", "place": "p"}
                ),
            ),
        ),
    ),
    Scenario(
        "erase what is open later",
        then(DONE, event("open", body=BODY), BEGUN, putting("hset", "event:one", "arrived_by", "webhook 1 signature")),
        each_of(running("erase", "one", "open", "none"), running("erase", "open")),
    ),
    Scenario(
        "quarantine twice",
        then(OPEN, putting("zadd", "queue", {"stray": 5, "ns:two": 6}), dead("foreign:stray"), event("foreign:other")),
        each_of(
            running("quarantine", "none", "no_job", "e", "none"),
            running("quarantine", "stray", "no_job", "e", "stray"),
            putting("zadd", "queue", {"other": 5}),
            running("quarantine", "other", "no_job", "e", "other"),
        ),
    ),
)
