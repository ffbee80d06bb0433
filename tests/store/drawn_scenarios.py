"""Long series of calls, drawn by a fixed number, so that rare orders of events and ties of times come up.

Their words are few on purpose: then calls meet each other.
"""

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from service.store.effects import ledger
from tests.store.consent_scenarios import A, B, C, merging, planned, said
from tests.store.effect_scenarios import SHOWN, end, instead
from tests.store.gate_scenarios import SIGNAL, acquire, report
from tests.store.half_way import Scenario, T, World
from tests.store.half_way_scenarios import LEASED, Step, at, calling, nothing, putting, then
from tests.store.script_calls import HOUR, each_of, event, running

Option = TypeVar("Option")
Draws = Callable[["Drawing"], Step]
OF_ONE_PERSON = ([A], [B], [A, B], [C, A], [C, B, A], [A, "p:1"], ["p:1"])
OF_ANOTHER = (["p:2"], ["p:2", "p:3"])
KEYS = ["a" * 8, "b" * 8, "c" * 8]
STATUSES = (
    *("queued", "sending", "sent", "delivery_unconfirmed", "expired", "sending_failed", "delivery_failed"),
    *("delivered", "read", "odd", ""),
)


class Drawing:
    """Choices by a number, the same on every machine."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._random = Random(number)

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def one_of(self, *options: Option) -> Option:
        return options[self.below(len(options))]


def series(number: int, length: int, *kinds: Draws, pace: int = 3) -> Step:
    """Return a series of calls of some kinds. Between two of them less than `pace` milliseconds pass."""
    drawing, now, steps = Drawing(number), 0, []
    for _ in range(length):
        now += drawing.below(pace)
        steps.append(at(now, drawing.one_of(*kinds)(drawing)))
    return each_of(*steps)


def seen(step: Step, **structures: str) -> Step:
    """Return a step with what then stands in some structures: keys by the commands that read them."""
    options: dict[str, dict[str, Any]] = {
        "zrange": {"start": 0, "end": -1, "withscores": True},
        "lrange": {"start": 0, "end": -1},
    }
    reads = (
        putting(command, key, **options.get(command, {}))
        for command, keys in structures.items()
        for key in keys.split()
    )
    return each_of(step, *reads)


def consent_is_said(drawing: Drawing) -> Step:
    source = drawing.one_of("message", "message", "telnyx", "operator", "import")
    when = drawing.one_of(-1, *range(T - 3, T + 9))
    forms = drawing.one_of(*OF_ONE_PERSON, *OF_ANOTHER)
    change = [forms, drawing.one_of("", "sealed"), drawing.one_of("out", "out", "in"), when, source]
    return seen(said(change), hgetall="optouts optout_keys", zrange="optout_times")


def consent_is_rewritten(drawing: Drawing) -> Step:
    if drawing.below(3) == 0:
        removed = running("optout_remove", drawing.one_of(A, B, C, "p:1", "p:2"))
        return seen(removed, hgetall="optouts optout_keys")
    rewrite = running("optout_rewrite", drawing.one_of("0", "1"), drawing.one_of(*OF_ONE_PERSON), "again")
    return seen(rewrite, hgetall="optouts", zrange="optout_times")


def a_send_is_planned(drawing: Drawing) -> Step:
    since = drawing.one_of(-1, T - 1, T, T + 1, T + 5)
    return planned(drawing.one_of("a", "b"), form=drawing.one_of("p:1", "p:2", "p:3", A), since=since)


def a_message_is_told_of(drawing: Drawing) -> Step:
    forms: tuple[list[str], ...] = (*OF_ONE_PERSON, *OF_ANOTHER, [])
    to = [
        [drawing.one_of(*forms), drawing.one_of(*STATUSES), drawing.one_of("", "", "AT&T", "T-MOBILE")]
        for _ in range(1 + drawing.below(2))
    ]
    name = drawing.one_of("m", "m", "n")
    told = merging(
        name,
        to,
        kind=drawing.one_of("RCS", "RCS", "RCS", "SMS", "MMS", ""),
        by=drawing.one_of("one", "two", "three"),
        at=T - drawing.below(3),
        read=drawing.below(3) == 0,
    )
    return seen(told, hgetall=f"message:{name}")


def a_message_is_read(drawing: Drawing) -> Step:
    name = drawing.one_of("m", "n")
    if drawing.below(2) == 0:
        return running("message_status", drawing.one_of([A], [B, C], ["p:1", A], ["p:2"], ""), "m", "n")
    return running(
        *("message", name, HOUR, drawing.one_of("read", "hold", "sent"), drawing.one_of("one", "two"), T + 5),
        *([], "", drawing.one_of(*OF_ONE_PERSON), drawing.one_of("e1", "e2", ""), ""),
    )


def a_right_is_taken(drawing: Drawing) -> Step:
    form = drawing.one_of(A, "p:2")
    if drawing.below(3) == 0:
        fields = {f"right:{form}": drawing.one_of("one", "two")}
        return putting("hset", f"message:{drawing.one_of('m', 'n')}", mapping=fields)
    state = drawing.one_of("done", "resolved", "started", "started", "withdrawn")
    entry = {"state": state, "unconfirmed": drawing.below(2), "version": 1}
    return putting("hset", f"effect:{drawing.one_of('e1', 'e2')}", mapping=entry)


def an_effect_begins(drawing: Drawing) -> Step:
    name = drawing.one_of("e1", "e2", "e3", "e4")
    conditions: Any = ""
    if drawing.below(4) > 0:
        recipients = [[[each]] for each in ("p:1", "p:1", "p:1", "p:2", A)]
        keys = drawing.one_of(*[KEYS] * 7, ["a" * 8])
        conditions = {"keys": keys, "recipients": drawing.one_of(*recipients), "only_asks": drawing.below(4) == 0}
        conditions["regions"] = drawing.one_of([], [], ["US"], ["US", "DE"])
        if drawing.below(3) > 0:
            conditions |= instead(
                drawing.one_of("m", "n", "o", "p"), segments=drawing.below(4), since=drawing.one_of(-1, T - 1, T, T + 4)
            )
            if drawing.below(4) == 0:
                conditions["shown"] = SHOWN | {"words": [] if drawing.below(2) else SHOWN["words"]}
        if drawing.below(3) == 0:
            conditions["reply"] = {"limit": 2, "window": HOUR}
    lease = drawing.one_of(*[("one", "w:1")] * 7, ("two", "w:1"), ("one", "w:2"))
    again, keep, stale = drawing.below(2), drawing.one_of(0, 0, HOUR), drawing.below(8) == 0
    state, generation = drawing.one_of("started", "started", "started", "would"), drawing.one_of("0", "3")

    async def act(world: World) -> Any:
        known = int(await world.redis.hget(f"{world.keys.namespace}:effect:{name}", "version") or 0)
        begin = running(
            *("effect_begin", *lease, name, known + 1 if stale else known, "run", keep),
            *(again, conditions, "state", state, "bytes", "b", "handler", "greet"),
            *("generation", generation),
        )
        return await seen(begin, hgetall=f"effect:{name} sms_budget:segments")(world)

    return act


def an_effect_ends(drawing: Drawing) -> Step:
    outcome = drawing.one_of("done", "refused", "withdrawn", "deferred", "unknown", "unknown")
    note = f"n{drawing.below(30)}."
    name = drawing.one_of("e1", "e2", "e3", "e4")
    ended = end(
        *(name, outcome, drawing.one_of(0, 200, 422), note),
        sent_at=T + drawing.below(4),
        redacted=drawing.one_of("", "x"),
    )
    return seen(ended, hgetall=f"effect:{name}")


def effects_are_looked_at(drawing: Drawing) -> Step:
    return drawing.one_of(
        calling(ledger.effects_of, "one"),
        running("sms_budget", drawing.one_of("e1", "x"), drawing.below(5), 5, HOUR),
        running("reply", drawing.one_of("k1", "k2"), 2, HOUR, 2, drawing.one_of(A, "p:1")),
        running("effects_resolve", drawing.one_of("one", "one", "none"), drawing.one_of("sent", "not_sent"), "{}"),
        running("effects_forget", "one", drawing.one_of("greet", "greet", "other"), drawing.below(2)),
        a_message_is_told_of(drawing),
        said([["p:2"], "", drawing.one_of("out", "in"), T + drawing.below(9), "message"]),
    )


def a_call_is_let_through(drawing: Drawing) -> Step:
    blocks = drawing.one_of((), ("outage",), ("outage", "other"))
    product = drawing.one_of("sms", "sms", "rcs", "")
    acquired = acquire(
        *(f"e{drawing.below(4)}", *blocks),
        product=product,
        requeued=drawing.below(2),
        limit=drawing.one_of(2, 3) if product == "sms" else 1,
        slot=drawing.one_of("", "", f"{T + drawing.below(4000)}.000"),
    )
    return seen(acquired, hgetall="bucket:sms block:outage", lrange="slots:sms slots:rcs", zrange="lookahead:sms")


def a_send_looks_ahead(drawing: Drawing) -> Step:
    name = f"e{drawing.below(5)}"
    admission = {
        "max_wait": 1000,
        "event": name,
        "ticket": f"t-{name}",
        "blocks": drawing.one_of([], ["outage"]),
        "product": drawing.one_of("sms", "sms", "rcs"),
        "limit": 1 + drawing.below(3),
        "requeued": drawing.below(2) == 0,
    }
    look = planned(name, name="none", form="p:9", segments=0, since=-1, admission=admission)
    return seen(look, zrange="lookahead:sms lookahead:rcs", hgetall="bucket:sms")


def a_call_is_reported(drawing: Drawing) -> Step:
    outcomes = [drawing.one_of("fails", "fails", "lifts", "unclear", "stays") for _ in range(drawing.below(3))]
    strikes = drawing.one_of(1, 2)
    signals = [
        SIGNAL | {"name": name, "outcome": outcome, "strikes": strikes}
        for name, outcome in zip(("outage", "other"), outcomes, strict=False)
    ]
    told: dict[str, Any] = {"alive": drawing.below(2) == 0}
    if drawing.below(2) == 0:
        told |= {"product": drawing.one_of("sms", "rcs"), "good": drawing.below(2) == 0, "longest_pause": 3000}
        told |= drawing.one_of({}, {"limited": True}, {"limited": True, "wait": 900}, {"wait": 400})
        told |= drawing.one_of({}, {"limit": 1, "limit_lasts": 1500}, {"limit": 9, "limit_lasts": 500})
    reported = report(f"e{drawing.below(4)}", *signals, **told)
    return seen(reported, hgetall="bucket:sms bucket:rcs block:outage block:other", zrange="failures")


def blocks_are_looked_after(drawing: Drawing) -> Step:
    return drawing.one_of(
        running("blocks"),
        running("blocks_probe", drawing.one_of("0", "1")),
        running("blocks_release", 2, 9),
        running("blocks_lift", drawing.one_of("outage", "other"), 2),
        running("blocks_hold", "other", "d", "a", 500),
        putting("zadd", "parked:outage", {"one": T}),
        putting("sadd", "blocks", "gone"),
    )


CONSENT_KINDS = (consent_is_said, consent_is_said, consent_is_rewritten, a_send_is_planned)
MESSAGE_KINDS = (a_message_is_told_of, a_message_is_told_of, a_message_is_read, a_right_is_taken)
EFFECT_KINDS = (an_effect_begins, an_effect_begins, an_effect_ends, an_effect_ends, effects_are_looked_at)
GATE_KINDS = (a_call_is_let_through, a_call_is_let_through, a_call_is_reported, blocks_are_looked_after)
BUSY_KINDS = (a_call_is_let_through, a_call_is_let_through, a_send_looks_ahead, a_send_looks_ahead, a_call_is_reported)
CALLED_OUT = then(
    LEASED,
    event("two"),
    putting("hset", "optouts", mapping={"p:2": f"{T} {T + 1} message - - -"}),
    putting("sadd", "rcs_unapproved", "x"),
)
DRAWN = (
    *(Scenario(f"consent, series {number}", nothing, series(number, 60, *CONSENT_KINDS)) for number in range(3)),
    *(Scenario(f"messages, series {number}", nothing, series(number, 60, *MESSAGE_KINDS)) for number in range(4)),
    *(Scenario(f"effects, series {number}", CALLED_OUT, series(number, 70, *EFFECT_KINDS)) for number in range(5)),
    *(Scenario(f"the gate, series {number}", LEASED, series(number, 80, *GATE_KINDS, pace=400)) for number in range(4)),
    *(
        Scenario(f"a busy gate, series {number}", nothing, series(number, 60, *BUSY_KINDS, pace=90))
        for number in range(4)
    ),
)
