"""Calls of the scripts for events, effects, messages and consent, beside those that fail half-way."""

import json
from typing import Any

from service.events.consent import ConsentChange
from service.events.message import MessageStatus, RecipientStatus
from service.store.effects import ledger
from service.store.facts import consent
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    BEGUN,
    DAY,
    DONE,
    DOUBTFUL,
    ENTRY,
    EVENT,
    JOB,
    LEASED,
    NUMBER,
    OPEN,
    STOP,
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
from tests.store.more_scenarios import BODY, HOUR, dead, each_of, event, running

OTHER = NUMBER.replace("0142", "0143")
A, B, C = (f"h:{each * 8}:{each * 4}" for each in "abc")
"""Forms of one number under three encryption keys."""


def said(*changes: list[Any]) -> Step:
    return running("record_consent", list(changes))


CONSENT = (
    Scenario(
        "consent of one number under several forms",
        then(
            putting(
                "hset", "optouts", mapping={B: "5000 - message - - - sealed", C: "- 6000 - 4000 3000 import", A: "odd"}
            ),
            putting("hset", "optout_keys", mapping={"a" * 8: 1, "b" * 8: 2, "c" * 8: 1}),
            putting("zadd", "optout_times", {B: 5000, C: 4000}),
        ),
        each_of(
            running("optout_rewrite", "0", [B], "sealed"),
            running("optout_rewrite", "1", [B], "", ["none"], "x"),
            running("optout_rewrite", "0", [C, B], "again", [B], "x"),
            said([[C, B], "s", "in", 5001, "message"], [[C, B], "s", "in", 5001, "message"]),
            said([[C], "s", "in", 4000, "operator"]),
            said([[C], "s", "in", 4001, "operator"]),
            said([[C], "s", "out", 4002, "message"], [[C], "s", "out", -1, "operator"]),
            said([[A], "s", "in", 5, "message"], [[A], "s", "out", 4, "message"]),
            running("optout_remove", C),
            running("optout_remove", C),
        ),
    ),
    Scenario(
        "whose opt-out a START lifts",
        nothing,
        each_of(
            *(
                said([[f"p:{source}"], "", "out", 10, source], [[f"p:{source}"], "", "in", 11, by])
                for source in ("message", "operator", "import", "telnyx")
                for by in ("message", "operator")
            ),
            said([["p:late"], "", "out", 10, "message"], [["p:late"], "", "in", 10, "message"]),
            calling(consent.record_consent, [STOP, ConsentChange(OTHER, "in", T / 1000 - 9)], now=T / 1000),
        ),
    ),
)


def status_of(kind: str, *recipients: RecipientStatus, identity: str = "m-1", **more: Any) -> Step:
    message = MessageStatus(identity, kind, recipients)
    return accepting(EVENT._replace(type="message.finalized", message=message, **more))


def merging(name: str, to: list[Any], *, kind: str = "RCS", by: str = "one", **more: Any) -> Step:
    """What a message's state answers once this is said of it, for the first and second form."""
    said_of_it = {"id": name, "type": kind, "keep": HOUR, "to": to} | more
    return running("message", name, HOUR, "read", by, T, [], said_of_it, [A, B], "", "", [C], "", "")


MESSAGES = (
    Scenario(
        "states of a message merge under all forms",
        putting("sadd", "rcs_unapproved", "agent"),
        each_of(
            merging("m", [[[B], "sent", "T-MOBILE"], [[C], "queued", ""]]),
            merging("m", [[[A, B], "delivered", "AT&T"]], at=T - 9),
            merging("m", [[[C, A], "sent", ""], [[A], "sending failed", ""]], read=True),
            merging("m", [[[], "read", ""], [[C], "delivery_failed", "X"]], kind="", by="two"),
            merging("m", [[[], "odd", ""], [[], "more", ""]], by="three"),
            running("message_status", "", "m", "none"),
            running("message_status", [A], "m"),
            running("message_status", [B, C], "m"),
            running("message_status", ["nobody"], "m"),
        ),
    ),
    Scenario(
        "a status without a number counts for the only recipient",
        merging("u", [[[], "delivered", ""]]),
        each_of(
            merging("u", [[[A], "sent", ""]]),
            running("message_status", [A], "u"),
            running("message_status", "", "u"),
            merging("v", [[[], "sent", ""], [[], "sent", ""]]),
            running("message_status", "", "v"),
            merging("v", [[[A], "sent", ""], [[], "delivered", ""]], by="two"),
            merging("v", [[[C], "sent", ""]], by="four"),
            merging("w", [[[], "delivered", ""]], kind="SMS"),
            merging("x", [[[A], "expired", ""]], kind="MMS"),
        ),
    ),
    Scenario(
        "who may send in a message's place",
        then(
            status_of("RCS", RecipientStatus(NUMBER, "delivery_failed"), RecipientStatus(OTHER, "sent", "T")),
            putting("hset", "effect:e", mapping={"state": "done", "version": 3}),
            putting("hset", "effect:u", mapping={"state": "started", "unconfirmed": 1}),
            putting("hset", "effect:n", mapping={"state": "started", "unconfirmed": 0}),
            putting("hset", "message:m-1", mapping={f"right:p:{NUMBER}": "one", "unreadable:x": "delivered"}),
        ),
        each_of(
            *(
                running(
                    "message",
                    "m-1",
                    HOUR,
                    purpose,
                    by,
                    T + 5,
                    [],
                    "",
                    [f"p:{NUMBER}"],
                    effect,
                    "",
                    [f"p:{OTHER}"],
                    "",
                    "",
                )
                for purpose, by in (("read", "one"), ("hold", "two"), ("hold", "two"), ("sent", "one"), ("read", "two"))
                for effect in ("e", "u", "n", "")
            ),
            status_of(
                "RCS", RecipientStatus(NUMBER, "delivered", "VZ"), RecipientStatus(OTHER, "read"), identity="m-1"
            ),
            running("message", "m-1", HOUR, "read", "one", T, ["k"], "", [f"p:{NUMBER}"], "e", ""),
            running("message", "m-1", HOUR, "read", "one", T, ["k"], "", [f"p:{NUMBER}"], "e", ""),
            running("message", "h", HOUR, "hold", "one", T, ["aaaaaaaa"], "", [A], "e", "", [B], "e", ""),
        ),
    ),
    Scenario(
        "messages under way are followed",
        nothing,
        each_of(
            status_of("RCS", RecipientStatus(NUMBER, "sent")),
            at(DAY, status_of("RCS", RecipientStatus(NUMBER, "queued"), identity="m-2")),
            at(11 * DAY, status_of("RCS", RecipientStatus(NUMBER, "sent"), identity="m-3")),
            at(11 * DAY, status_of("RCS", RecipientStatus(NUMBER, "delivery_unconfirmed"), identity="m-2")),
            at(11 * DAY, status_of("RCS", RecipientStatus(NUMBER, "delivered"), identity="m-4")),
        ),
    ),
)
PLAN = {
    "awake": True,
    "since": T - 50,
    "fresh_until": T + 50,
    "segments": 2,
    "limit": 5,
    "window": HOUR,
    "admission": {
        "event": "one",
        "ticket": "t",
        "blocks": ["outage"],
        "product": "sms",
        "limit": 2,
        "requeued": False,
        "max_wait": 1000,
    },
}


def planned(by: str = "one", *, name: str = "p", form: str = "p:1", **changes: Any) -> Step:
    plan = PLAN | changes
    return running("message", name, HOUR, "read", by, T, ["aaaaaaaa"], "", [form], f"e-{by}", plan)


PREFLIGHTS = (
    Scenario(
        "preflight",
        then(
            merging("p", [[["p:1"], "delivery_failed", ""]]),
            merging("ok", [[["p:1"], "delivered", ""]]),
            putting("hset", "optouts", "p:out", "5 - message - - -"),
        ),
        each_of(
            planned(),
            planned("two"),
            planned("three"),
            planned("one"),
            at(5001, planned("four")),
            planned(name="ok"),
            planned(awake=False),
            planned(fresh_until=T - 1),
            planned(fresh_until=T),
            planned(fresh_until=-1),
            planned(since=-1),
            planned(form="p:out"),
            running("sms_budget", "x", 5, 5, HOUR),
            running("sms_budget", "x", 6, 5, HOUR),
            running("sms_budget", "x", 6, 5, HOUR),
            at(HOUR, planned(limit=1)),
            putting("hset", "optout_keys", mapping={"b" * 8: 1}),
            planned(),
        ),
    ),
    Scenario(
        "preflight behind a block",
        then(
            merging("p", [[["p:1"], "delivery_failed", ""]]),
            putting("sadd", "blocks", "outage"),
            putting("hset", "block:outage", mapping={"probe_at": T + 10, "detail": "d", "advice": "a"}),
        ),
        each_of(planned(), at(10, planned()), at(11, planned("two"))),
    ),
)


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


EFFECTS = (
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

CONTENT = EVENT._replace(identity="sha256:0a", remember=HOUR)


def healed(
    identity: str, first_at: int, last_at: int, *, act: int = 1, remember: int = 0, kind: str = "test.x"
) -> Step:
    more = {"first_at": T + first_at, "last_at": T + last_at} | ({"remember": remember} if remember else {})
    parts = (identity, kind, "healed", "abcdefgh", "", json.dumps(more))
    packed = b"".join(len(each).to_bytes(4) + each.encode() for each in parts) + b"{}"
    return running("heal", DAY, act, packed)


HEALING = (
    Scenario(
        "heal",
        then(
            DONE,
            accepting(CONTENT),
            putting("set", "forgotten_until", T - HOUR),
            putting("set", "dropped:gone", "1 ann"),
            putting("set", "dropped:sha256:0b", f"{T - 500};"),
        ),
        each_of(
            healed("one", -5, -5, kind="message.received"),
            healed("one", -5, -5),
            healed("gone", -5, -5),
            healed("old", -HOUR - 1, -5),
            healed("just", -HOUR, -5),
            healed("asked", -5, -4, act=0),
            healed("sha256:0a", -5, -4, remember=100),
            healed("sha256:0a", -101, -100, remember=100),
            healed("sha256:0a", -102, -101, remember=100),
            healed("sha256:0b", -500, -500, remember=1),
            healed("sha256:0b", -399, -380, remember=100),
            healed("sha256:0b", -600, -600, remember=100),
            healed("sha256:0b", -601, -601, remember=100),
            healed("sha256:0c", -601, -601, remember=100),
            healed("sha256:0d", -60_000, -50_000, remember=100_000),
            healed("sha256:0e", -60_000, 50_000, remember=100_000),
            healed("sha256:01", -100_000, -100_000, remember=100_000),
            healed("sha256:0f", -60, -60, remember=100, act=0),
        ),
    ),
    Scenario(
        "accept what is known",
        OPEN,
        each_of(
            accepting(EVENT._replace(type="test.other")),
            accepting(EVENT._replace(type="test.other"), EVENT, EVENT._replace(type="test.third")),
            accepting(CONTENT, CONTENT),
            accepting(EVENT._replace(trace="00-aa-bb-01")),
            accepting(EVENT._replace(identity="three", trace="00-aa-bb-01", body=BODY)),
            at(HOUR, accepting(*[EVENT] * 25)),
        ),
    ),
    Scenario(
        "accept content that came before",
        then(accepting(CONTENT), putting("delete", "content:sha256:0a")),
        accepting(CONTENT),
    ),
)


def foreign(
    identity: str,
    handlers: list[Any],
    *,
    run: int = 0,
    received_at: int = T - 9,
    body: str = "{}",
    terms: str = "typenumb",
) -> Step:
    more = {"received_at": received_at, "deliveries": 3, "handlers": handlers}
    parts = (identity, "test.x", "webhook", terms, "", json.dumps(more))
    packed = b"".join(len(each).to_bytes(4) + each.encode() for each in parts) + body.encode()
    return running("import", run, packed)


IMPORTS = (
    Scenario(
        "import",
        OPEN,
        each_of(
            foreign("one", []),
            foreign("nobody", [], body=""),
            foreign("done", [["a", '{"state":"done"}'], ["b", '{"state":"done"}']]),
            foreign("dead", [["a", '{"state":"done"}'], ["b", '{"state":"dead","reason":"why"}']]),
            foreign("open", [["a", f'{{"state":"waiting","due":{T + 9}}}']]),
            foreign("open early", [["a", '{"state":"waiting","due":5}']]),
            foreign("run", [["a", '{"state":"done"}']], run=1),
            foreign("later", [], received_at=T + 99),
            foreign("old", [], received_at=T - 8 * DAY),
            foreign("older", [], received_at=T - 8 * DAY - 60_000),
            running("order_register", {"greet": ["test.*"]}, {}, "0"),
            foreign("ordered", [["a", '{"state":"done"}']], run=1),
            running("replay", "ann", "", 0, 0, 1, "", "done", "nobody"),
            running("replay", "ann", "", 0, 1, 0, "", "done", "nobody"),
            running("replay", "ann", "new", 0, 1, 1, "", "done"),
            running("dead_retry", "ann", "", "{}", "", "", 0, "", "dead"),
            running("dead_retry", "ann", "", "{}", "", "", 1, T - 1, "dead"),
            running("dead_retry", "ann", "", "{}", "", "", 1, T, "dead"),
        ),
    ),
)

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

CLAIMED = ("claim", "w", 1, 15_000, 10, "", {"greet": ["message.*"]}, "")
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
            putting(
                "hset", "event:c", mapping={"received_at": "x", "handlers": '["greet"]', "h:greet": '{"state":"odd"}'}
            ),
        ),
        each_of(running(*CLAIMED), running(*CLAIMED), running("audit_events", "a", "b", "c")),
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

FURTHER_SCENARIOS: tuple[Scenario, ...] = (
    *CONSENT,
    *MESSAGES,
    *PREFLIGHTS,
    *EFFECTS,
    *HEALING,
    *IMPORTS,
    *SEARCHES,
    *JOBS,
    *CLAIMS,
)
