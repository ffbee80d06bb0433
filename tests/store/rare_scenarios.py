"""What is seldom asked for or seldom there: seals, sessions, slots that were not used, events without a place."""

from typing import Any

from service.events.consent import ConsentChange
from service.store.inbox import order
from tests.store.claim_scenarios import asking
from tests.store.consent_scenarios import A, B, C, merging, planned, said
from tests.store.edge_scenarios import quarantined
from tests.store.effect_scenarios import end, instead
from tests.store.gate_scenarios import SIGNAL, acquire, report
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    EVENT,
    LEASED,
    NUMBER,
    NUMBERING,
    OPEN,
    ORDERED,
    QUEUED,
    Step,
    accepting,
    at,
    calling,
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
    queued,
    record,
    running,
)

KEY = "a" * 8


def begun(name: str, version: int, conditions: Any, *, again: int = 0, keep: int = HOUR, token: str = "w:1") -> Step:
    """The begin of an effect, and what then stands in its entry."""
    begin = running(
        *("effect_begin", "one", token, name, version, "run", keep, again, conditions),
        *("state", "started", "bytes", "b", "handler", "greet", "why", "state"),
    )
    return each_of(begin, putting("hgetall", f"effect:{name}"))


def in_place_of(message: str, form: str = "p:1", *, since: int = -1, segments: int = 1) -> dict[str, Any]:
    wanted = {"keys": [KEY], "recipients": [[form]], "only_asks": False, "regions": []}
    return wanted | instead(message, since=since, segments=segments)


ENDS = (
    ("deferred", 429, "aaa"),
    ("refused", 422, "bbb"),
    ("unknown", 0, "ccc"),
    ("withdrawn", 0, "ddd"),
    ("withdrawn", 0, "ddd"),
    ("refused", 422, "eee"),
)
STORED = (
    Scenario(
        "seals of bodies",
        then(*(event(each, body=body) for each, body in (("a", b"{}"), ("b", b"\x01abcdefgh"), ("c", b"\x02abcd")))),
        each_of(
            event("d", body=b"\x01zyxw"),
            hashed("event:d", arrived_by="queue"),
            putting("set", "event:odd", "x"),
            putting("hdel", "event:c", "body"),
            running("body_seals", "a", "b", "c", "d", "odd", "none"),
            running("session_open", "digest", '{"user":"ann"}', 60_000),
            putting("get", "session:digest"),
        ),
    ),
    Scenario(
        "a STOP without a time was said when it came first",
        accepting(EVENT),
        each_of(
            at(50, accepting(EVENT._replace(words=(ConsentChange(NUMBER, "out", None),)))),
            at(60, accepting(EVENT._replace(identity="new", words=(ConsentChange("+13125550143", "out", None),)))),
            putting("hgetall", "optouts"),
        ),
    ),
    Scenario(
        "what is said at the begin of time",
        nothing,
        each_of(
            *(said([[f"p:{when}"], "s", "out", when, "operator"]) for when in (-1, 0, 1)),
            putting("hgetall", "optouts"),
            *(planned(form=f"p:{when}", since=since) for when in (0, 1) for since in (-1, 0, 1, 2)),
            *(planned(form="p:9", fresh_until=until) for until in (-1, 0, 1)),
            running("message", "p", HOUR, "hold", "one", T - 9, [KEY], "", ["p:7"], "e-one", ""),
            *(planned(form="p:7", fresh_until=until) for until in (T - 10, T - 9, T - 8)),
            running("message", "p", HOUR, "hold", "one", T + 9, [KEY], "", ["p:7"], "e-one", ""),
            putting("hgetall", "message:p"),
        ),
    ),
    Scenario(
        "a message whose number is known by one thing alone",
        then(
            hashed("message:c", **{"type:RCS": "1", f"carrier:{A}": "AT&T"}),
            hashed("message:s", **{"type:RCS": "1", f"sent:{A}": "e1"}),
            hashed("message:n", **{"type:RCS": "1", f"status:{A}": "sent", f"source:{A}": "delivered 5 e1"}),
            hashed("message:u", **{"unreadable:e2": "sent", "unreadable:e1": "sent", f"status:{A}": "sent"}),
        ),
        each_of(
            *(running("message_status", forms, *"csnu") for forms in ("", [A], [B], [B, A])),
            *(merging(each, [[[C], "delivered", ""]], by="e9") for each in "csnu"),
            running("message_status", "", *"csnu"),
        ),
    ),
    Scenario(
        "reasons and runs of what is pruned or damaged",
        then(dead("a"), dead("b", reason="other"), event("c")),
        each_of(
            hashed("event:a", pruned='{"greet":[3,"why"],"late":["x","odd"]}'),
            hashed("event:b", **{"h:greet": record(state="dead", reason="other", ran="x", attempts="y")}),
            hashed("event:c", handlers='["greet"]', **{"h:greet": record(state="done", attempts=5)}),
            putting("set", "event:odd", "x"),
            putting("zadd", "events", {"odd": T, "none": T}),
            putting("hdel", "event:c", "received_at"),
            *(
                running("filter_ids", each, "events", 0, 9)
                for each in (
                    *({"attempts": number} for number in (0, 1, 2, 3, 4, 5, 6)),
                    *({"because": reason} for reason in ("why", "odd", "other", "none")),
                    {"because": "why", "attempts": 3},
                    {"because": "odd", "attempts": 4},
                    {"handler": "late"},
                    {},
                )
            ),
        ),
    ),
)
SENDS = (
    Scenario(
        "a slot that was not used is given back once",
        putting("rpush", "slots:sms", *(f"{T + n}.000" for n in (1, 1, 5, 1))),
        each_of(
            acquire("e1", slot=f"{T + 1}.000", limit=4),
            acquire("e2", slot="", limit=4),
            acquire("e3", slot=f"{T + 5}.000", limit=4),
            acquire("e4", "1", slot="", limit=4, requeued=1),
            putting("lrange", "slots:sms", 0, -1),
        ),
    ),
    *(
        Scenario(
            f"an answer is noted beside {bytes_sent} and {bytes_noted} bytes",
            then(
                LEASED,
                hashed(
                    "effect:e",
                    state="started",
                    unconfirmed=unconfirmed,
                    version=1,
                    bytes="b",
                    sent="s" * bytes_sent,
                    notes="n" * bytes_noted,
                ),
            ),
            each_of(*(then(end("e", *each), putting("hgetall", "effect:e")) for each in ENDS)),
        )
        for bytes_sent, bytes_noted, unconfirmed in (
            (1967, 165, 2),
            (1968, 166, 2),
            (1969, 167, 3),
            (0, 80, 3),
            (990, 0, 1),
        )
    ),
    Scenario(
        "an effect begins where another event has the right, or has sent",
        then(LEASED, *(merging(each, [[["p:1"], "delivery_failed", ""]]) for each in "mno")),
        each_of(
            begun("e1", 0, in_place_of("m")),
            begun("e1", 1, in_place_of("m")),
            begun("e1", 0, in_place_of("m"), again=1),
            begun("e2", 0, in_place_of("m")),
            hashed("message:n", **{"right:p:1": "two"}),
            *(
                then(hashed("effect:e3", version=1, **fields), begun("e3", 1, in_place_of("n")))
                for fields in (
                    {"state": "started", "unconfirmed": 0},
                    {"state": "started", "unconfirmed": 1},
                    {"state": "withdrawn", "unconfirmed": 1},
                )
            ),
            said([["p:1"], "", "out", 0, "message"]),
            *(begun(f"s{since}", 0, in_place_of("o", since=since)) for since in (-1, 0, 1)),
            begun("k1", 0, "", keep=1),
            begun("k0", 0, "", keep=0),
            begun("odd", 0, "", token="w:2"),
            putting("hgetall", "sms_budget:segments"),
        ),
    ),
    Scenario(
        "reservations lapse with the window",
        then(LEASED, *(merging(each, [[["p:1"], "delivery_failed", ""]]) for each in "mno")),
        each_of(
            *(begun(f"e{each}", 0, in_place_of(each, segments=2)) for each in "mn"),
            begun("eo", 0, in_place_of("o", segments=2)),
            *(at(HOUR + late, running("sms_budget", "x", 4, 5, HOUR)) for late in (-1, 0, 1)),
            putting("hgetall", "sms_budget:segments"),
            putting("zadd", "sms_budget", {"gone": T - HOUR}),
            running("sms_budget", "x", 5, 5, HOUR),
            putting("hgetall", "sms_budget:segments"),
            putting("delete", "sms_budget:segments"),
            putting("zadd", "sms_budget", {"gone": T - HOUR}),
            running("sms_budget", "x", 6, 5, HOUR),
            putting("hgetall", "sms_budget:segments"),
        ),
    ),
    Scenario(
        "people are told once of a block that opened before",
        nothing,
        each_of(
            *(
                then(
                    putting("sadd", "blocks", "outage"),
                    putting("delete", "block:outage", "notified:outage"),
                    hashed("block:outage", **{"interval": 1000, "longest": 3000, "probe_at": T + 9, **fields}),
                    each_of(report("one", SIGNAL | {"outcome": outcome}), putting("hgetall", "block:outage")),
                )
                for outcome in ("fails", "unclear", "stays", "lifts")
                for fields in (
                    {"unnotified": "1"},
                    {"unnotified": ""},
                    {"unnotified": "1", "prober": "one"},
                    {"prober": "one", "interval": 9000, "longest": "1"},
                    {"prober": "one", "held": "1"},
                    {"held": "1", "longest": "1"},
                )
            ),
            putting("delete", "blocks"),
            *(report("one", SIGNAL | {"outcome": outcome}) for outcome in ("lifts", "stays", "unclear")),
            putting("smembers", "blocks"),
        ),
    ),
)
PLACES = (
    Scenario(
        "events without a readable place come by their time",
        then(NUMBERING, *map(event, ("one", "two", "three")), claiming("greet", in_order=True)),
        each_of(
            putting("hdel", "event:one", "sequence"),
            hashed("event:two", sequence="x", received_at="y"),
            hashed("event:three", sequence="", received_at=T - 5),
            asking("one", "two", "three"),
            asking("three", "one", token=""),
            at(20_000, claiming("greet", number=2, in_order=True)),
            at(20_001, asking("one", "two", "three", token="w:2")),
            putting("zrange", "lane:greet:ab", 0, -1, withscores=True),
        ),
    ),
    Scenario(
        "who asks for a turn without its lease",
        QUEUED,
        each_of(
            hashed("event:one", lease_until=T + 5),
            *(at(moment, asking("one", "two")) for moment in (4, 5, 6)),
            asking("one", "two", token="w:2"),
            asking("two", "one", token="v:1"),
            hashed("event:one", lease_until="x"),
            asking("one"),
            hashed("event:one", state="done"),
            asking("one", "two"),
        ),
    ),
    *(
        Scenario(
            f"earlier events without a place, {'but for those' if patient else 'also those'} that a worker has",
            then(*map(event, ("one", "two", "three", "four", "five")), claiming("greet", limit=4)),
            each_of(
                calling(order.register, ORDERED),
                hashed("event:two", lease_until=T),
                hashed("event:three", lease_until="x"),
                hashed("event:one", lease_until=T + 9),
                *(
                    calling(order.take_turns, [order.Placing(each, {"greet": ("ab",)}, "w:1")], patient=patient)
                    for each in ("four", "five", "none")
                ),
                calling(
                    order.take_turns,
                    [order.Placing(each, {"greet": ("ab",)}, "w:1") for each in ("four", "three")],
                    patient=patient,
                ),
                putting("zrange", "unkeyed", 0, -1),
            ),
        )
        for patient in (False, True)
    ),
    Scenario(
        "handlers in order are registered page by page",
        then(
            *(event(each, type=kind) for each, kind in (("a", "message.x"), ("b", "test.x"), ("c", "message.y"))),
            claiming("greet", "late", limit=1),
            event("d"),
            event("e"),
        ),
        each_of(
            hashed("event:d", order="late:ab"),
            hashed("event:e", order="?"),
            hashed("event:c", handlers='["late"]'),
            putting("set", "event:odd", "x"),
            queued("odd", "none"),
            calling(order.register, {"greet": ("message.*",)}),
            putting("zrange", "unkeyed", 0, -1, withscores=True),
            *(putting("hget", f"event:{each}", "order") for each in "abcde"),
            calling(order.register, {"greet": ("message.*",), "late": ("test.*", "message.y")}, by_number=["late"]),
            putting("zrange", "unkeyed", 0, -1, withscores=True),
            *(putting("hget", f"event:{each}", "order") for each in "abcde"),
            at(5000, calling(order.register, {"late": ("test.*",)})),
            at(5001, calling(order.register, {"late": ("test.*",)}, by_number=[])),
            at(604_800_000, calling(order.register, {"late": ("test.*",)}, by_number=["late"])),
            at(604_805_002, calling(order.register, {"late": ("test.*",)}, by_number=["late"])),
        ),
    ),
    Scenario(
        "the answers to what is sent are found out once",
        then(OPEN, dead("a"), dead("b")),
        each_of(
            putting("zadd", "effects:a", {"ea": T}),
            hashed("effect:ea", state="done", version=1),
            putting("zadd", "effects:b", {"eb": T, "ec": T}),
            hashed("effect:eb", state="started", unconfirmed=1, version=1),
            hashed("effect:ec", state="started", unconfirmed=0, version=1),
            *(running("dead_retry", "ann", "sent", "{}", "", "", "", "", each) for each in "ab"),
            *(putting("hgetall", f"event:{each}") for each in "ab"),
            *(putting("hgetall", f"effect:{each}") for each in ("ea", "eb", "ec")),
        ),
    ),
)
SLOTTED = (
    Scenario(
        "jobs of other slots are left alone",
        queued("gone", "other"),
        each_of(
            quarantined("gone"),
            putting("zadd", "queue", {"of_nobody": 5}),
            running("quarantine", "of_nobody", "no_job", "said", "of_nobody"),
            claiming("greet"),
            running("claim", "w", 2, 15_000, 9, "", {"greet": ["*"]}, ""),
        ),
        slotted=True,
    ),
)
RARE = (*STORED, *SENDS, *PLACES, *SLOTTED)
