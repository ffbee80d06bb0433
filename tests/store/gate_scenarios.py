"""Calls of the scripts for blocks and limits."""

from typing import Any

from service.store.effects import blocks, rate_limits
from tests.store.half_way import Scenario, T
from tests.store.half_way_scenarios import (
    DAY,
    LEASED,
    LIFT,
    PARKED,
    Step,
    at,
    calling,
    ending,
    nothing,
    putting,
    then,
)
from tests.store.script_calls import HOUR, each_of, running

BLOCKS = (
    Scenario(
        "blocks that a reading holds",
        then(LEASED, calling(blocks.hold, "outage", detail="detail", advice="advice", interval=5.0)),
        each_of(
            at(1, calling(blocks.hold, "outage", detail="detail 2", advice="advice 2", interval=9.0)),
            ending("parked", due=T + DAY, blocked_by="outage"),
            running("blocks"),
            at(10, calling(rate_limits.report, "one", rate_limits.CallReport([LIFT], alive=True))),
            at(20, running("blocks_probe", "1")),
            at(4999, running("blocks_probe", "0")),
            at(5000, running("blocks_probe", "0")),
            at(6000, running("blocks_lift", "outage", 9)),
            at(6000, running("blocks_lift", "outage", 9)),
        ),
    ),
    Scenario(
        "blocks are probed in time",
        then(PARKED, putting("zadd", "parked:outage", {"gone": 1})),
        each_of(
            at(999, running("blocks_probe", "0")),
            at(1000, running("blocks_probe", "0")),
            at(1001, running("blocks_probe", "0")),
        ),
    ),
    Scenario(
        "blocks are probed at once",
        then(PARKED, putting("hset", "event:one", mapping={"lease": "x:1", "lease_until": T + 11})),
        each_of(at(10, running("blocks_probe", "1")), at(11, running("blocks_probe", "1")), running("blocks")),
    ),
    Scenario(
        "blocks_release leaves room",
        then(
            PARKED,
            putting("delete", "block:outage"),
            putting("sadd", "blocks", "a", "b"),
            putting("zadd", "parked:a", {"x": 1, "y": 2, "z": 3}),
            putting("zadd", "parked:b", {"u": 1}),
            putting("zadd", "queue", {"due": T}),
        ),
        each_of(running("blocks_release", 2, 1), running("blocks_release", 2, 2), running("blocks_release", 9, 9)),
    ),
)

SIGNAL = {
    "name": "outage",
    "outcome": "fails",
    "interval": 1000,
    "longest": 3000,
    "quiet": 9000,
    "detail": "d",
    "advice": "a",
    "strikes": 1,
    "within": 9000,
}
ONE_OF_THREE = SIGNAL | {"strikes": 3}


def report(event_id: str, *signals: dict[str, Any], **told: Any) -> Step:
    return running("report", event_id, {"signals": list(signals), "alive": False} | told)


def acquire(
    event_id: str, *names: str, product: str = "sms", slot: str = "", requeued: int = 0, limit: int = 2
) -> Step:
    return running("acquire", f"t-{event_id}", event_id, 1000, 5000, product, limit, requeued, slot, *names)


GATE = (
    Scenario(
        "an outage is probed and lifted",
        LEASED,
        each_of(
            report("e1", ONE_OF_THREE),
            at(9001, report("e2", ONE_OF_THREE)),
            at(9002, report("e2", ONE_OF_THREE)),
            at(9003, report("e3", ONE_OF_THREE)),
            at(9004, report("e4", ONE_OF_THREE)),
            at(9004, acquire("e4", "outage")),
            at(10_004, acquire("e4", "outage")),
            at(10_005, acquire("e5", "outage")),
            at(10_006, report("e5", SIGNAL)),
            at(10_006, report("e4", SIGNAL)),
            at(12_006, acquire("e4", "outage")),
            at(12_007, report("e4", SIGNAL | {"outcome": "unclear"})),
            at(14_007, acquire("e4", "outage")),
            at(14_008, report("e4", SIGNAL)),
            at(14_008, report("e4", SIGNAL | {"outcome": "stays"})),
            at(18_008, acquire("e4", "outage")),
            at(18_009, report("e4", SIGNAL | {"outcome": "lifts"}, alive=True)),
            at(18_010, report("e5", SIGNAL)),
            at(30_000, report("e5", SIGNAL)),
            at(30_000, report("e6", SIGNAL | {"name": "another", "interval": 90_000, "longest": 90_000})),
            at(120_000, acquire("e6", "another", product="")),
            at(120_001, report("e6", SIGNAL | {"name": "another", "outcome": "unclear"})),
        ),
    ),
    Scenario(
        "one success ends a row of failures",
        nothing,
        each_of(
            report("e1", ONE_OF_THREE),
            report("e2", ONE_OF_THREE, alive=True),
            report("e3", ONE_OF_THREE),
            report("e3", ONE_OF_THREE),
            report("e4", ONE_OF_THREE),
        ),
    ),
    Scenario(
        "a limit of Telnyx's",
        nothing,
        each_of(
            acquire("a"),
            report("a", alive=True, product="sms", limited=True, longest_pause=3000),
            at(1, report("b", alive=True, product="sms", limited=True, longest_pause=3000)),
            at(2, acquire("b")),
            at(1000, report("b", alive=True, product="sms", limited=True, longest_pause=3000)),
            at(3000, report("c", alive=True, product="sms", limited=True, longest_pause=3000)),
            at(6000, report("c", alive=True, product="sms", good=True, limit=1, limit_lasts=9000)),
            at(6000, acquire("c")),
            at(6500, acquire("d")),
            at(6501, acquire("d", requeued=1)),
            at(7000, report("d", alive=True, product="sms", wait=5000)),
            at(7001, report("d", alive=True, product="sms", wait=1000)),
            at(7002, acquire("e", requeued=1)),
            at(15_001, acquire("f")),
            at(15_001, report("f", alive=True, product="mms", limit=0.5, limit_lasts=9000)),
            at(15_001, acquire("g", product="mms")),
            at(15_002, acquire("h", product="mms")),
        ),
    ),
    Scenario(
        "slots",
        nothing,
        each_of(
            *(at(number, acquire(f"e{number}", slot="")) for number in range(4)),
            at(10, acquire("back", slot=f"{T + 1150}.000")),
            at(11, acquire("back", slot=f"{T + 1}.000")),
            at(1000, acquire("e9")),
            at(1200, acquire("e8", requeued=1)),
            at(1201, acquire("e7")),
            at(5000, acquire("e7")),
            at(9000, acquire("e6")),
            at(9100, acquire("e6")),
            at(20_000, acquire("slow", product="rcs", limit=1)),
            at(20_001, acquire("slow", product="rcs", limit=1)),
            at(23_000, acquire("slow", product="rcs", limit=1)),
        ),
    ),
    Scenario(
        "the clock was put back",
        at(9 * DAY, each_of(acquire("a"), report("a", alive=True, product="sms", wait=HOUR))),
        each_of(acquire("b"), report("b", alive=True, product="sms", wait=1000), at(500, acquire("c"))),
    ),
    Scenario("acquire without a limit", nothing, each_of(acquire("a", product=""), acquire("b", "outage", product=""))),
)
