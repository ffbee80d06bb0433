"""Calls of the scripts for missed and imported events."""

import json
from typing import Any

from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    DAY,
    DONE,
    EVENT,
    OPEN,
    Step,
    accepting,
    at,
    putting,
    then,
)
from tests.store.script_calls import BODY, HOUR, each_of, running

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
        "the order of acceptance goes on though the clock was put back",
        putting("hset", "counts", mapping={"sequence": T * 1000 + 5_000_000}),
        each_of(
            accepting(EVENT, EVENT._replace(identity="two")),
            at(5001, accepting(EVENT._replace(identity="three"))),
            at(9000, accepting(EVENT._replace(identity="four"), EVENT._replace(identity="late", delay=1))),
            *(putting("hget", f"event:{each}", "sequence") for each in ("one", "two", "three", "four", "late")),
            putting("hget", "counts", "sequence"),
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
            foreign("not begun", [["import", '{"state":"dead","reason":"imported"}']]),
            foreign("two", [["a", '{"state":"done"}'], ["import", '{"state":"dead","reason":"imported"}']]),
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
            running("dead_retry", "ann", "", "{}", "", "", 1, "", "not begun", "two"),
        ),
    ),
)
