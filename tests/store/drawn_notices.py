"""Long series of notices, bulk jobs, healing and imports, drawn by a fixed number."""

import json
from typing import Any

from tests.store.drawn_scenarios import Drawing, seen, series
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import OPEN, Step, accepting, nothing, putting, then
from tests.store.healing_scenarios import CONTENT, foreign, healed
from tests.store.script_calls import HOUR, dead, each_of, event, running


def a_notice_comes(drawing: Drawing) -> Step:
    cause = drawing.one_of("c", "d")
    noted = running("notice", cause, drawing.one_of("a", "b", "e"), 2 + drawing.below(3), 1000)
    return seen(noted, hgetall=f"notice:{cause}", zrange="notices")


def notices_are_sent(drawing: Drawing) -> Step:
    cause = drawing.one_of("c", "d")
    entries = drawing.one_of((), ("a", 1), ("a", 2, "b", 1), ("e", 3))
    step = drawing.one_of(
        running("notices_take", drawing.one_of(1, 9), 700),
        running("notice_sent", cause, 1000, 3000, drawing.below(3), *entries),
    )
    return seen(step, hgetall=f"notice:{cause}", zrange="notices")


def a_job_is_made(drawing: Drawing) -> Step:
    job = drawing.one_of("j", "k")
    step = drawing.one_of(
        running("job_create", job, "state", drawing.one_of("running", "collecting"), "actor", "ann"),
        running("job_list", job, "one", "two", "three"),
        running("job_state", job, drawing.one_of("cancel", "resume", "running", "ready"), 3, {"gone": 1}),
        running("jobs", 9, job),
        running("jobs", 1 + drawing.below(3)),
    )
    return seen(step, hgetall=f"job:{job}", zrange="jobs jobs_due", llen=f"job_ids:{job}")


def a_job_goes_on(drawing: Drawing) -> Step:
    job, number = drawing.one_of("j", "k"), drawing.below(3)
    results = {"retried": number} if drawing.below(2) else {"retried": 1, "gone": number - 1}
    turn = running(
        *("job_turn", job, drawing.one_of("r", "s"), 900, drawing.below(4), number, results),
        *(1 + drawing.below(2), drawing.one_of(-1, 1, 2, 9)),
    )
    live = putting("hset", "workers", "w", f"{T + drawing.below(9000)} {{}}")
    damage = putting("hset", f"job:{job}", drawing.one_of("v:retried", "done"), "x")
    return seen(drawing.one_of(turn, turn, turn, turn, turn, live, damage), hgetall=f"job:{job}", zrange="jobs_due")


def a_missed_event_comes(drawing: Drawing) -> Step:
    name = drawing.one_of("one", "new", "gone", "sha256:0a", "sha256:0b", "sha256:0c")
    first = -drawing.below(300)
    return seen(
        healed(
            *(name, first, first + drawing.below(60)),
            act=drawing.one_of(0, 1, 1),
            remember=100 if name.startswith("sha256") else 0,
            kind=drawing.one_of("test.x", "message.received"),
        ),
        zrange="queue events",
        get="content:sha256:0a content:sha256:0b",
    )


def an_event_is_known(drawing: Drawing) -> Step:
    name = drawing.one_of("sha256:0a", "sha256:0b")
    return drawing.one_of(
        accepting(CONTENT._replace(identity=name, remember=100)),
        accepting(CONTENT._replace(identity="one", type="test.x", remember=0)),
        putting("set", "forgotten_until", T - drawing.below(300)),
        putting("set", f"dropped:{name}", f"{T - drawing.below(300)} {T - drawing.below(300)};"),
        putting("set", "dropped:gone", "1 ann"),
    )


def an_event_is_brought(drawing: Drawing) -> Step:
    handlers: list[list[Any]] = [
        [name, json.dumps({"state": drawing.one_of("done", "done", "dead", "waiting"), "reason": "r", "due": T + 50})]
        for name in drawing.one_of((), ("a",), ("a", "b"))
    ]
    return seen(
        foreign(
            *(drawing.one_of("one", "f", "g", "h"), handlers),
            run=drawing.below(2),
            received_at=drawing.one_of(T - 9, T + 99, T - 60_000, T - 700_000_000),
            body=drawing.one_of("{}", ""),
        ),
        zrange="queue events ended dead",
        hgetall="counts",
    )


def people_let_it_run(drawing: Drawing) -> Step:
    ids = drawing.one_of(("f", "g"), ("d", "foreign", "cancelled"), ("pruned", "h", "none", "bare"))
    before = drawing.one_of("", "", T + drawing.below(200))
    trusted, handler, by = drawing.below(2), drawing.one_of("", "a", "greet"), drawing.one_of("ann", "")
    return drawing.one_of(
        running("replay", by, handler, drawing.below(2), trusted, drawing.below(2), before, *ids),
        running("dead_retry", by, "", "{}", handler, drawing.one_of("", "r", "why"), trusted, before, *ids),
    )


ODD = then(
    OPEN,
    *(dead(name) for name in ("d", "foreign", "cancelled", "pruned", "bare")),
    putting("hset", "event:foreign", "type", "ringback.foreign_job"),
    putting("hset", "event:cancelled", "cancelled", "1"),
    putting("hset", "event:pruned", "pruned", '{"greet":[1,"why"]}'),
    putting("hdel", "event:bare", "body"),
)
HEALED = (a_missed_event_comes, a_missed_event_comes, an_event_is_known)
BROUGHT = (an_event_is_brought, people_let_it_run)
DRAWN_NOTICES = (
    *(
        Scenario(f"notices, series {number}", nothing, series(number, 60, a_notice_comes, notices_are_sent, pace=900))
        for number in range(3)
    ),
    *(
        Scenario(f"jobs, series {number}", OPEN, series(number, 60, a_job_is_made, a_job_goes_on, pace=500))
        for number in range(3)
    ),
    *(Scenario(f"healing, series {number}", OPEN, series(number, 50, *HEALED, pace=30)) for number in range(3)),
    *(Scenario(f"imports, series {number}", ODD, series(number, 40, *BROUGHT, pace=30)) for number in range(3)),
    Scenario(
        "rights are asked for",
        event("one"),
        each_of(
            running("permissions"),
            running("permissions", ["GET", "x"], ["SET", "x", "y"]),
            running("body_seals", "one"),
            running("delivery_failure", "d", "a", HOUR, 1),
            *(running("sign_in_attempt", "who", 60_000) for _ in range(2)),
        ),
    ),
)
