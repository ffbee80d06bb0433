"""Calls of the scripts for consent, messages and what is asked before a send."""

from typing import Any

from service.events.consent import ConsentChange
from service.events.message import MessageStatus, RecipientStatus
from service.store.facts import consent
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    DAY,
    EVENT,
    NUMBER,
    STOP,
    Step,
    accepting,
    at,
    calling,
    nothing,
    putting,
    then,
)
from tests.store.script_calls import HOUR, OTHER, each_of, running

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
        "a damaged value is an opt-out that a START lifts",
        putting(
            "hset",
            "optouts",
            mapping={f"p:{at}": " ".join("x" if at == each else "7" for each in range(6)) for at in range(7)},
        ),
        each_of(
            *(said([[f"p:{at}"], "", "in", 6, "message"]) for at in range(7)),
            *(said([[f"p:{at}"], "", "out", 8, "operator"]) for at in range(7)),
            putting("hgetall", "optouts"),
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
            said(
                [["p:zero"], "", "out", 0, "message"],
                [["p:one"], "", "out", 1, "message"],
                [["p:now"], "", "out", -1, "message"],
            ),
            said([["p:late"], "", "out", 10, "message"], [["p:late"], "", "in", 10, "message"]),
            calling(consent.record_consent, [STOP, ConsentChange(OTHER, "in", T / 1000 - 9)], now=T / 1000),
        ),
    ),
)


_AHEAD, _FUTURE = T + 5000, T + 10**12
_KEPT = {
    "in": f"- {_FUTURE} - - - -",
    "out": f"{_FUTURE} 5 message - {_FUTURE} -",
    "out alone": f"- - - {_FUTURE} - import",
    "removed": f"- {_FUTURE + 1} - {_FUTURE} {_FUTURE + 1} import",
    "lifted": f"7 {_FUTURE} message 7 {_FUTURE} operator",
    "again": f"{_FUTURE + 1} {_FUTURE} message {_FUTURE} {_FUTURE} import",
    "possible": f"{_AHEAD} {_AHEAD} message {_AHEAD} {_AHEAD} import",
}
"""Consent with times from the future, as an earlier version kept them."""
FUTURE = Scenario(
    "times from the future give way",
    putting("hset", "optouts", mapping={f"p:{name} {n}": value for name, value in _KEPT.items() for n in range(4)}),
    each_of(
        *(said([[f"p:{name} 0"], "", "out", 9, "message"]) for name in _KEPT),
        *(said([[f"p:{name} 1"], "", "out", 9, "operator"]) for name in _KEPT),
        *(said([[f"p:{name} 2"], "", "in", 9, "message"]) for name in _KEPT),
        *(said([[f"p:{name} 3"], "", "in", 9, "operator"]) for name in _KEPT),
        *(said([[f"p:{time}"], "", "out", time, "message"]) for time in (_AHEAD - 1, _AHEAD, _AHEAD + 1, _FUTURE)),
        putting("hgetall", "optouts"),
        accepting(EVENT._replace(words=(ConsentChange(OTHER, "out", _FUTURE / 1000),))),
        at(60_000, accepting(EVENT._replace(words=(ConsentChange(OTHER, "out", _FUTURE / 1000),)))),
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
        "the furthest status without a number is shown",
        nothing,
        each_of(
            *(
                step
                for name, statuses in (
                    ("a", ("read", "sent", "odd")),
                    ("b", ("odd", "sent", "read")),
                    ("c", ("sent",) * 3),
                )
                for step in (
                    *(merging(name, [[[], each, ""]], by=f"e{number}") for number, each in enumerate(statuses)),
                    running("message_status", "", name),
                )
            ),
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
            putting("hset", "effect:e-known", mapping={"version": 1, "state": "withdrawn"}),
            planned("known"),
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
