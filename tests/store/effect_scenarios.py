"""Calls of the scripts for effects."""

from typing import Any

from service.store.effects import ledger
from tests.store.consent_scenarios import A, B, C
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    BEGUN,
    DONE,
    DOUBTFUL,
    ENTRY,
    EVENT,
    LEASED,
    Step,
    accepting,
    at,
    beginning,
    calling,
    claiming,
    ending,
    nothing,
    putting,
    then,
)
from tests.store.script_calls import HOUR, each_of, running


def begin(name: str, wanted: dict[str, Any] | None = None, *, version: int = 0, again: int = 0, run: str = "r") -> Step:
    conditions = {"keys": [], "recipients": [["p:1"]], "only_asks": False, "regions": []} | (wanted or {})
    return running(
        "effect_begin", "one", "w:1", name, version, run, 0, again, conditions, "state", "started", "bytes", "b"
    )


def instead(name: str, *, segments: int = 2, limit: int = 5, since: int = -1) -> dict[str, Any]:
    return {"message": {"id": name, "since": since, "segments": segments, "limit": limit, "window": HOUR, "keep": HOUR}}


SHOWN = {
    "words": [[["p:1"], "", "out", T - 5, "telnyx"]],
    "state": {"type": "RCS", "keep": HOUR, "to": [[["p:1"], "read", ""]]},
}


def end(name: str, outcome: str, status: int, note: str, *, sent_at: int = T, redacted: str = "") -> Step:
    return running("effect_end", name, outcome, sent_at, status, "type", '{"data":{"id":"x"}}', "why", note, redacted)


ANSWERS = {
    "object": '{"data":{"id":"x","text":"t"},"id":"z"}',
    "text": '{"data":"t","id":"y"}',
    "number": '{"data":{"id":7}}',
    "list": '["t"]',
    "odd": "t",
}
ENTRY_FIELDS = {"handler": "greet", "state": "done", "version": 1, "bytes": "b", "recipient": "r", "why": "w"}


def ledger_of(*events: str) -> Step:
    """Put entries with all kinds of answers into the ledger of events."""
    entries: dict[str, dict[str, Any]] = {name: {"answer": answer} for name, answer in ANSWERS.items()}
    entries |= {
        "redacted": {"answer": "t", "redacted_answer": "short"},
        "not redacted": {"answer": ANSWERS["object"], "redacted_answer": ""},
        "none": {},
        "own": {"state": "started", "holder": "one"},
        "busy": {"state": "started", "holder": "two", "caller_key": 1},
        "idle": {"holder": "two", "caller_key": 1},
        "gone": {"state": "started", "holder": "three", "caller_key": 1},
        "nobody's": {"caller_key": 1},
        "mine": {"caller_key": 0, "holder": "one"},
        "shared": {"caller_key": 1, "holder": "one"},
    }
    return then(
        *(putting("hset", f"effect:{name}", mapping=ENTRY_FIELDS | entry) for name, entry in entries.items()),
        *(putting("zadd", f"effects:{each}", dict.fromkeys([*entries, "missing"], 1)) for each in events),
    )


EFFECTS = (
    Scenario(
        "what was forgotten loses its bytes too",
        ledger_of("one"),
        each_of(
            putting("hset", "effect:text", "state", "forgotten"),
            putting("hset", "effect:list", mapping={"state": "forgotten", "handler": "other"}),
            putting("hset", "effect:odd", "state", "withdrawn"),
            running("effects_forget", "one", "greet", 0),
            running("effects_forget", "one", "greet", 1),
        ),
    ),
    Scenario(
        "texts leave the ledger with the body",
        then(DONE, accepting(EVENT._replace(identity="two")), ledger_of("one")),
        each_of(at(9, running("prune_bodies", 9, 9)), running("erase", "one", "two", "none")),
    ),
    Scenario(
        "texts leave the ledger of what is erased",
        then(DONE, accepting(EVENT._replace(identity="two")), ledger_of("one", "two")),
        each_of(
            running("erase", "one", "two", "none"),
            claiming("greet", number=2),
            ending("done", ids=("two",), token="w:2"),
            running("erase", "two"),
        ),
    ),
    Scenario(
        "what others use stays in the ledger",
        then(DONE, accepting(EVENT._replace(identity="two")), ledger_of("one")),
        each_of(at(9, running("expire", 9, 9, 9))),
    ),
    Scenario(
        "who may begin an effect",
        then(LEASED, putting("hset", "optouts", "p:out", "5 6 message - - -")),
        each_of(
            running("effect_begin", "one", "w:2", "e", 0, "r", 0, 0, ""),
            running("effect_begin", "two", "w:1", "e", 0, "r", 0, 0, ""),
            at(15_000, running("effect_begin", "one", "w:1", "e", 0, "r", 0, 0, "")),
            running("effect_begin", "one", "w:1", "e", 1, "r", 0, 0, ""),
            begin("asks", {"only_asks": True, **instead("m")}),
            begin("first", instead("m")),
            begin("first", instead("m"), version=1, again=1),
            begin("first", instead("m"), version=2),
            begin("second", instead("m2", segments=3)),
            begin("third", instead("m3")),
            begin("out", {"recipients": [["p:1"], ["p:out"]]}),
            begin("out", {"recipients": [["p:out"]], **instead("m4", segments=0, since=5)}),
            begin("out", {"recipients": [["p:out"]], **instead("m4", segments=0, since=6)}),
            begin("regions", {"regions": ["US", "DE"], "reply": {"limit": 1, "window": HOUR}}),
            begin("reply", {"reply": {"limit": 1, "window": HOUR}}),
            begin("regions", {"reply": {"limit": 1, "window": HOUR}}, version=1, again=1),
            begin("regions", {"reply": {"limit": 1, "window": HOUR}}, version=2),
            end("regions", "refused", 400, "n1"),
            begin("reply", {"reply": {"limit": 1, "window": HOUR}}),
            end("first", "refused", 400, "n1"),
            end("first", "withdrawn", 0, "n2"),
            end("first", "withdrawn", 0, "n3"),
            begin("shown", {"shown": SHOWN, **instead("m5", segments=0)}),
            begin("shown", {"shown": SHOWN | {"words": []}, "recipients": [["p:2"]], **instead("m6", segments=0)}),
            putting("hset", "optout_keys", "b" * 8, 1),
            begin("key"),
        ),
    ),
    Scenario(
        "a message of another's or under another key",
        then(
            LEASED,
            putting("hset", "message:r", mapping={"right:p:1": "two"}),
            putting("hset", "message:k", mapping={f"status:{B}": "sent"}),
            putting("hset", "message:d", mapping={"status:p:1": "delivered"}),
        ),
        each_of(begin("r", instead("r")), begin("k", instead("k")), begin("d", instead("d"))),
    ),
    Scenario(
        "answers",
        BEGUN,
        each_of(
            end("gone", "done", 200, "n"),
            end("e-1", "unknown", 0, "n1"),
            end("e-1", "unknown", 500, "n2", sent_at=T + 1),
            at(5, end("e-1", "deferred", 429, "n3")),
            end("e-1", "deferred", 0, "n4"),
            end("e-1", "done", 200, "n5", redacted="x"),
            end("e-1", "done", 200, "n5", redacted="x"),
            end("e-1", "unknown", 0, "n6"),
            end("e-1", "refused", 400, "n7"),
            calling(ledger.effects_of, "one"),
            calling(ledger.read_entry, "two", "e-1", "run"),
            calling(ledger.read_entry, "two", "none", "run"),
        ),
    ),
    Scenario(
        "a caller's key",
        then(LEASED, beginning(ENTRY)),
        each_of(
            calling(ledger.read_entry, "one", "e-1", "run"),
            calling(ledger.read_entry, "one", "e-1", "other run"),
            at(15_000, calling(ledger.read_entry, "one", "e-1", "other run")),
            putting("hset", "effect:half", mapping={"version": "0", "state": "withdrawn"}),
            putting("set", "effect:text", "x"),
            calling(ledger.read_entry, "two", "half", "run"),
            calling(ledger.read_entry, "two", "text", "run"),
        ),
    ),
    Scenario(
        "what a person says of effects",
        then(
            DOUBTFUL,
            putting("hset", "effect:e-1", mapping={"status": 422, "bytes": "b"}),
            putting("zadd", "effects:one", {"forgotten": T + 1, "ok": T + 2, "refused": T + 3}),
            putting("hset", "effect:ok", mapping={"state": "done", "handler": "greet", "version": 4, "bytes": "b"}),
            putting("hset", "effect:refused", mapping={"state": "refused", "handler": "greet", "version": 4}),
            *(
                then(
                    putting("zadd", "effects:one", {state: T + 4}),
                    putting("hset", f"effect:{state}", mapping={"state": state, "handler": "greet", "bytes": "b"}),
                )
                for state in ("would", "withdrawn", "resolved", "forgotten 2")
            ),
            putting("hset", "effect:forgotten 2", mapping={"state": "forgotten", "generation": 4}),
            putting("hset", "effect:e-1", mapping={"generation": 2}),
        ),
        each_of(
            running("dead_retry", "ann", "", "{}", "greet", "ambiguous", "", "", "one"),
            running("replay", "ann", "", 0, 0, 1, "", "one"),
            running("effects_forget", "one", "greet", 0),
            running("dead_retry", "ann", "not_sent", "{}", "greet", "ambiguous", "", "", "one"),
            running("dead_retry", "ann", "not_sent", "{}", "greet", "ambiguous", "", "", "one"),
            running("effects_resolve", "one", "sent", "{}"),
            running("effects_forget", "one", "other", 1),
            running("effects_forget", "one", "greet", 1),
            running("effects_forget", "one", "greet", 1),
        ),
    ),
    Scenario(
        "a reply that was half noted gets its end",
        then(putting("zadd", f"replies:{A}", {"k": T}), putting("zadd", f"replies:{B}", {"k": T})),
        running("reply", "k", 3, HOUR, 4, A, B),
    ),
    Scenario(
        "replies",
        nothing,
        each_of(
            *(
                running("reply", key, 3, HOUR, 4, *forms)
                for key, *forms in (("a", A, B), ("b", B), ("a", A), ("b", A, B))
            ),
            running("reply", "c", 3, HOUR, 4, A, B),
            running("reply", "d", 3, HOUR, 4, A, B),
            putting("zadd", "reply_budget", {"w": T - HOUR, "x": T, "y": T, "z": T}),
            running("reply", "e", 3, HOUR, 4, C),
            running("reply", "f", 3, HOUR, 3, C),
        ),
    ),
    Scenario(
        "failures of deliveries",
        nothing,
        each_of(
            running("delivery_failure", "d", "a", HOUR, 3),
            at(1, running("delivery_failure", "d", "a", HOUR, 3)),
            *(at(2 + each, running("delivery_failure", "d", f"e{each}", HOUR, 3)) for each in range(3)),
            at(HOUR, running("delivery_failure", "d", "f", HOUR, 9)),
            at(HOUR + 4, running("delivery_failure", "d", "g", HOUR, 9)),
        ),
    ),
)
