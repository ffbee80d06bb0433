"""Calls of the store's readers, whose answers are objects."""

from typing import Any

from service.events.consent import ConsentChange
from service.store.effects import blocks, rate_limits
from service.store.facts import (
    consent,
    delivery_failures,
    message_status,
    opt_out_reads,
    rcs_agents,
    recipients,
    remembered,
    replies,
)
from service.store.facts.remembered import Capability
from service.store.inbox import (
    accept,
    audit,
    dead_letters,
    healing,
    maintenance,
    rates,
    search,
    silence,
    workers,
)
from service.store.inbox.search import EventFilter
from service.store.operators import bulk_jobs, issues, sessions
from tests.store.half_way import Scenario, T, World
from tests.store.half_way_scenarios import (
    BEGUN,
    DAY,
    DEAD,
    DONE,
    EVENT,
    JOB,
    LEASED,
    NUMBER,
    OPEN,
    PARKED,
    STATUS,
    STOP,
    Step,
    accepting,
    at,
    calling,
    nothing,
    putting,
    then,
)
from tests.store.notice_scenarios import WORKING
from tests.store.script_calls import OTHER, dead, each_of

NOW = T / 1000
MISSED = [
    healing.MissedEvent(each, T - 60_000, T - 50_000)
    for each in (EVENT, EVENT._replace(type="test.x"), EVENT._replace(identity="sha256:0a", remember=3_600_000))
]
LIMITED = rate_limits.CallReport([], alive=True, product="sms", wait=5000, limit=3, limit_lasts=60_000)
SEND = rate_limits.AdmissionRequest("t", "one", [], "sms", 5.0, requeued=False, max_wait=1.0, probe_timeout=5.0)


def all_of(function: Any, *args: Any, **options: Any) -> Step:
    """A call whose answers come one after the other."""

    async def act(world: World) -> Any:
        return [each async for each in function(world.store, *args, **options)]

    return act


READERS = (
    Scenario(
        "progress of healing",
        nothing,
        each_of(
            calling(healing.state_of),
            calling(healing.begin, 1000.5),
            calling(healing.begin, 2000.0),
            calling(healing.note_progress, 1500.25),
            calling(healing.note_turn, 1600.5, failed=3),
            calling(healing.note_messages_read, 1700.5),
            putting("hset", "heal", "healed", 4),
            calling(healing.state_of),
            calling(healing.take_turn, "a"),
            calling(healing.take_turn, "b"),
            calling(healing.take_turn, "a"),
            calling(healing.end_turn),
            calling(healing.take_turn, "b"),
            calling(healing.forgotten_until),
            putting("set", "forgotten_until", 5500),
            calling(healing.forgotten_until),
        ),
    ),
    Scenario(
        "messages under way",
        then(putting("zadd", "under_way", {"a": T - 5, "b": T, "c": T + 5}), accepting(EVENT._replace(message=STATUS))),
        each_of(
            calling(healing.messages_due, NOW, limit=1),
            calling(healing.messages_due, NOW, limit=9),
            calling(healing.ask_again, "a", NOW + 9),
            calling(healing.stop_asking, "b"),
            calling(healing.is_message_known, "m-1"),
            calling(healing.is_message_known, "m-2"),
            calling(healing.messages_due, NOW + 60, limit=9),
            calling(healing.are_known, MISSED),
        ),
    ),
    Scenario(
        "what healing would do",
        then(DONE, accepting(MISSED[2].event)),
        each_of(
            calling(healing.heal, MISSED, retention=86_400, act=False),
            calling(healing.are_known, MISSED),
            calling(healing.heal, MISSED, retention=86_400),
            calling(healing.heal, MISSED[1:2], retention=1),
        ),
    ),
    Scenario(
        "capabilities",
        calling(rcs_agents.note_standings, {"trial": rcs_agents.AgentStanding(False, False, ("a",), ("T-Mobile",))}),
        each_of(
            calling(remembered.recall, "agent", [NUMBER, OTHER]),
            calling(remembered.remember, "agent", {NUMBER: Capability(("X", "Y")), OTHER: Capability(())}),
            calling(remembered.recall, "agent", [NUMBER, OTHER, NUMBER]),
            at(31 * DAY - 1, calling(remembered.recall, "agent", [NUMBER, OTHER])),
            at(31 * DAY, calling(remembered.recall, "agent", [NUMBER, OTHER])),
            calling(remembered.forget, "agent", NUMBER),
            calling(remembered.recall, "agent", [NUMBER, OTHER]),
            calling(remembered.recall, "trial", [NUMBER]),
            calling(rcs_agents.note_test_devices, "trial", [NUMBER], [OTHER]),
            calling(remembered.recall, "trial", [NUMBER, OTHER]),
            calling(rcs_agents.agent_standings),
        ),
    ),
    Scenario(
        "small facts",
        nothing,
        each_of(
            calling(remembered.note_sent, []),
            calling(remembered.note_sent, ["US", "DE"]),
            at(9000, calling(remembered.has_sent_to, "US", within=9)),
            at(9001, calling(remembered.has_sent_to, "US", within=9)),
            calling(remembered.has_sent_to, "FR", within=9),
            calling(remembered.is_gone, "https://a.example"),
            calling(remembered.note_gone, "https://a.example"),
            calling(remembered.is_gone, "https://a.example"),
            calling(remembered.latest_probe),
            calling(remembered.remember_probe, remembered.Probe(5.5, replayed=True)),
            calling(remembered.latest_probe),
            *(calling(remembered.acquire_throttle, "n", each, seconds=60) for each in ("a", "b", "a")),
            calling(remembered.snapshot, "kind", "id"),
            calling(remembered.compare_and_set, "kind", "id", before=b"y", after=b"x"),
            calling(remembered.compare_and_set, "kind", "id", before=None, after=b"x"),
            calling(remembered.compare_and_set, "kind", "id", before=None, after=b"z"),
            calling(remembered.compare_and_set, "kind", "id", before=b"x", after=b"y"),
            calling(remembered.all_known, "kind"),
            calling(remembered.forget_snapshot, "kind", "id"),
            calling(remembered.forget_number, NUMBER),
            calling(opt_out_reads.list_read_at),
            calling(opt_out_reads.note_list_read, at=5.5, whole=False),
            calling(opt_out_reads.list_read_at),
            calling(opt_out_reads.note_list_read, at=6.5, whole=True),
            calling(opt_out_reads.list_read_at),
            *(calling(sessions.count_attempt, "ann", seconds=60) for _ in range(2)),
            calling(sessions.clear_attempts, "ann"),
            calling(sessions.count_attempt, "ann", seconds=60),
            calling(sessions.read_session, "none"),
            *(calling(delivery_failures.count_failure, "code", f"e{each}", within=60, most=2) for each in range(3)),
        ),
    ),
    Scenario(
        "answers given back",
        nothing,
        each_of(
            *(
                calling(replies.reason_against_answer, NUMBER, effect_key=key, limit=1, budget=9, window=60)
                for key in ("a", "b", "a")
            ),
            calling(replies.take_back_answer, NUMBER, effect_key="a"),
            calling(replies.reason_against_answer, NUMBER, effect_key="b", limit=1, budget=9, window=60),
        ),
    ),
    Scenario(
        "who is opted out",
        calling(consent.record_consent, [STOP, ConsentChange(OTHER, "out", NOW - 9, "import")], now=NOW),
        each_of(
            calling(consent.opted_out, NUMBER),
            calling(consent.opted_out, OTHER),
            calling(consent.consent_of, NUMBER),
            calling(consent.consent_of, OTHER),
            all_of(consent.opt_outs),
            calling(consent.opt_out_page, limit=1),
            calling(consent.opt_out_page, limit=9),
            calling(consent.move_opt_outs),
        ),
    ),
    Scenario(
        "what is known of a message",
        accepting(EVENT._replace(type="message.finalized", message=STATUS)),
        each_of(
            calling(message_status.status_of_message, "m-1"),
            calling(message_status.status_of_message, "m-2"),
            calling(recipients.known_message, "m-1", [NUMBER, OTHER]),
            calling(recipients.known_message, "m-2", []),
        ),
    ),
    Scenario(
        "records",
        then(BEGUN, dead("d"), putting("set", "event:text", "x")),
        each_of(
            calling(accept.find, "one"),
            calling(accept.find, "none"),
            calling(accept.find_all, ["d", "none", "one"]),
            calling(accept.find_all, ["text", "one"]),
            calling(accept.summaries, ["d", "none", "one"]),
            calling(accept.counts),
            calling(audit.audit),
            calling(audit.totals),
            calling(dead_letters.read_drop, "d"),
            calling(dead_letters.drop, ["d"], by="ann"),
            calling(dead_letters.read_drop, "d"),
        ),
    ),
    Scenario(
        "how a deployment is",
        WORKING,
        each_of(
            calling(maintenance.queue),
            calling(maintenance.blocked_workers),
            calling(workers.read_workers),
            calling(workers.live_workers),
            calling(workers.trouble_with_workers),
            at(20_000, calling(workers.trouble_with_workers)),
            calling(workers.forget_worker, "v"),
            calling(workers.read_workers),
            calling(healing.has_worker),
            at(DAY, calling(silence.latest_silence)),
            calling(rates.read_rates, spans=2),
        ),
    ),
    Scenario(
        "blocks as objects",
        then(PARKED, calling(blocks.pause, "greet"), calling(blocks.pause, "*")),
        each_of(
            calling(blocks.open_blocks),
            calling(blocks.paused),
            calling(blocks.lift, "outage"),
            calling(blocks.lift, "outage"),
            calling(blocks.resume, "none"),
            calling(rate_limits.report, "one", LIMITED),
            calling(rate_limits.acquire, SEND),
            at(5001, calling(rate_limits.acquire, SEND)),
            calling(rate_limits.room, "e", segments=3, limit=2),
            calling(rate_limits.room, "e", segments=2, limit=2),
        ),
    ),
    Scenario(
        "issues as objects",
        then(dead("a"), dead("b", handler="text", reason="other", after=5), dead("c", after=9)),
        each_of(
            calling(issues.read_issues),
            at(9, calling(issues.issue_history, ["2845e0da53908520"], span=10, spans=2)),
            at(1000, calling(dead_letters.new_causes, remember=60)),
            calling(search.dead_ids, EventFilter(state="dead")),
            calling(search.dead_ids, EventFilter(state="dead", died="greet"), limit=1),
            calling(search.dead_ids, EventFilter(state="dead", reason="why")),
            all_of(search.dead_pages, EventFilter(state="dead", died="text")),
            calling(search.filter_ids, EventFilter(state="dead", died="text"), ["a", "b", "none"]),
            calling(search.filter_ids, EventFilter(), []),
        ),
    ),
    Scenario(
        "jobs as objects",
        then(JOB, DEAD, putting("zadd", "jobs", {"j": 1})),
        each_of(
            calling(bulk_jobs.read_jobs),
            calling(bulk_jobs.read_job, "j"),
            calling(bulk_jobs.read_job, "none"),
            calling(bulk_jobs.cancel_job, "none"),
        ),
    ),
    Scenario(
        "leases that are under way", then(LEASED, OPEN), calling(healing.under_way, ["one", "two", "none"], lease=60)
    ),
)
