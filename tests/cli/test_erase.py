"""`ringback erase`: what is kept of a number goes, and what keeps others from being sent twice stays."""

import base64
import re
import secrets
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from redis import Redis as BlockingRedis

from service.cli import outages
from service.events.consent import ConsentChange
from service.events.message import MessageStatus, RecipientStatus
from service.security.encryption import Sealer, parse_keys
from service.settings import Settings
from service.store.effects import ledger
from service.store.effects.ledger import Entry, StoredAnswer
from service.store.facts.consent import consent_of, opted_out, record_consent
from service.store.facts.message_states import Recipient, read_state
from service.store.facts.remembered import Capability, recall, remember
from service.store.facts.replies import reason_against_answer
from service.store.inbox import erasure
from service.store.inbox.accept import NewEvent, accept, find
from service.store.inbox.audit import audit
from service.store.inbox.erasure import Erased
from service.store.inbox.handler_records import HandlerRecord, RunRecord
from service.store.inbox.maintenance import expire, prune_bodies
from service.store.store import Store
from service.worker.maintenance import Maintenance
from tests.chaos.proxy import Proxy, open_proxy
from tests.cli.deployment import Deployment, run_here
from tests.telnyx_events import envelope, received_sms

ANN, BOB = "+13125550101", "+13125550102"
KEY = base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture(params=["with a key", "without a key"])
def kept(deployment: Deployment, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A deployment that knows much of Ann and of Bob."""
    if request.param == "with a key":
        monkeypatch.setenv("RINGBACK_ENCRYPTION_KEY", KEY)
        deployment = replace(deployment, encryption=Sealer(parse_keys(KEY)))
    for name, number in (("ann", ANN), ("bob", BOB)):
        arrive(deployment, f"{name}-done", {"from": {"phone_number": number}, "text": f"it is {name}"})
        arrive(deployment, f"{name}-dead", {"text": f"call {number[:2]} ({number[2:5]}) {number[5:]}"})
        arrive(deployment, f"{name}-open", {"to": [{"phone_number": number}]})
        ran = RunRecord(1, 2, "dead", "error", "what went wrong", remarks=("what was remarked",))
        sent_for(deployment, f"{name}-done", number)
        finish(deployment, f"{name}-dead", HandlerRecord("dead", attempts=2, error="what went wrong", runs=(ran,)))
        deployment.ask(lambda store: know(store, number))
    return deployment


def arrive(deployment: Deployment, event_id: str, payload: dict[str, Any]) -> None:
    body = orjson.dumps(envelope("message.received", payload, event_id=event_id))
    deployment.ask(lambda store: accept(store, [NewEvent(event_id, "message.received", body, "webhook")]))


def finish(deployment: Deployment, event_id: str, record: HandlerRecord) -> None:
    deployment.finish(event_id, greet=record.sealed(deployment.encryption, event_id, "greet"))


def sent_for(
    deployment: Deployment, event_id: str, number: str, *, caller_key: bool = False, state: Any = "done"
) -> None:
    """An effect of the event that was answered; then the event ends."""
    lease = deployment.claim(event_id, "greet")
    body = orjson.dumps({"to": number, "text": "hello"})
    entry = Entry(
        *(f"effect-{event_id}", event_id, "greet", caller_key, "POST", "/messages", "+1312•••0101", "target"),
        content_type="application/json",
        digest="digest",
        state="started",
        body=body,
    )
    answer = StoredAnswer(200, "application/json", orjson.dumps({"data": {"id": "m-1", "to": number}}))

    async def write(store: Store) -> None:
        assert await ledger.begin(store, lease, entry, "run", again=False, keep=60) == "begun"
        await ledger.end(store, entry.name, "done", answer, sent_at=1, why="", note="n")

    deployment.ask(write)
    deployment.end(lease, greet=HandlerRecord(state))


async def know(store: Store, number: str) -> None:
    await record_consent(store, [ConsentChange(number, "out", 10.0)], now=0)
    said = MessageStatus("m", "RCS", (RecipientStatus(number, "delivered", "T"),))
    await read_state(store, "m", [], by="e", said=said)
    await remember(store, "agent", {number: Capability(("X",))})
    await reason_against_answer(store, number, effect_key="1", limit=1, budget=9, window=60)


def bodies(deployment: Deployment) -> set[str]:
    found = set()
    for event_id in (f"{name}-{state}" for name in ("ann", "bob") for state in ("done", "dead", "open")):
        record = deployment.ask(lambda store: find(store, event_id))
        assert record is not None
        if record.body is not None:
            found.add(event_id)
    return found


def test_what_is_kept_of_one_number_goes_and_of_others_stays(kept: Deployment) -> None:
    ran = kept.run("erase", "+1 312 555 0101", "--yes")
    assert ran.code == 0, ran.stderr
    assert "Looked through 6 events." in ran.stdout
    assert "Erased: 2 bodies, the texts of 1 effects, 1 message states," in ran.stdout
    assert "Erased by a worker when they end: 1 open events, ann-open." in ran.stdout
    assert re.match(
        r"Receipt: erased 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC by Ringback \S+ in \S+: \+1312•••0101\.", ran.stdout
    )
    assert "Still found by the number (events list --number): 1 events, ann-open." in ran.stdout
    assert "Not searched: backups, logs, exports" in ran.stdout
    stays = "under a keyed hash" if kept.encryption.active else "under the number itself"
    assert f"Kept, {stays}: " in ran.stdout
    assert ANN not in ran.stdout + ran.stderr
    assert bodies(kept) == {"ann-open", "bob-done", "bob-dead", "bob-open"}
    for name in ("ann", "bob"):
        [effect] = kept.ask(lambda store: ledger.effects_of(store, f"{name}-done"))
        assert effect.state == "done", "so that nothing is sent once more"
        assert effect.answer is not None
        assert orjson.loads(effect.answer.body)["data"]["id"] == "m-1"
        assert (b"+1312" in effect.answer.body, effect.recipient != "") == (name == "bob", name == "bob")
    dead = kept.ask(lambda store: find(store, "ann-dead"))
    assert dead is not None
    assert (dead.state, dead.handlers["greet"].attempts, dead.handlers["greet"].state) == ("dead", 2, "dead")
    assert (dead.handlers["greet"].error, dead.handlers["greet"].runs) == (None, ())
    assert kept.ask(audit).clean


@pytest.mark.parametrize("typed", ["+44 (0)20 7946 0000", "+442079460000"])
def test_a_number_is_erased_in_each_of_its_spellings(deployment: Deployment, typed: str) -> None:
    theirs = "+442079460000"
    arrive(deployment, "field", {"from": {"phone_number": theirs}})
    arrive(deployment, "text", {"from": {"phone_number": BOB}, "text": "call me at +44 (0)20 7946 0000"})
    for event_id in ("field", "text"):
        finish(deployment, event_id, HandlerRecord("done"))
    deployment.ask(lambda store: know(store, theirs))
    ran = deployment.run("erase", typed, "--yes")
    assert ran.code == 0, ran.stderr
    assert "Erased: 2 bodies, the texts of 0 effects, 1 message states," in ran.stdout
    assert "Kept, under the number itself: its opt-out or opt-in." in ran.stdout

    async def look(store: Store) -> tuple[Any, ...]:
        records = [await find(store, event_id) for event_id in ("field", "text")]
        left = [record.body for record in records if record is not None]
        return left, await recall(store, "agent", [theirs]), await opted_out(store, theirs)

    assert deployment.ask(look) == ([None, None], {}, True)


def test_states_go_and_an_opt_out_stays(kept: Deployment) -> None:
    kept.run("erase", ANN, "--yes")
    for number, known in ((ANN, False), (BOB, True)):

        async def look(store: Store, number: str = number) -> tuple[Any, ...]:
            state = (await read_state(store, "m", [Recipient(number, "sms")], by="e")).recipients[number]
            again = await reason_against_answer(store, number, effect_key="2", limit=1, budget=9, window=60)
            return (
                state.status,
                await recall(store, "agent", [number]),
                again is None,
                await opted_out(store, number),
            )

        assert kept.ask(look) == (
            ("delivered", {number: Capability(("X",))}, False, True) if known else ("", {}, True, True)
        )


def test_what_was_open_is_erased_when_it_has_ended(kept: Deployment) -> None:
    kept.run("erase", ANN, "--yes")
    assert kept.ask(erasure.erase_ended) == 0
    finish(kept, "ann-open", HandlerRecord("done"))
    settings = Settings(_env_file=None, namespace=kept.environment["RINGBACK_NAMESPACE"])
    kept.ask(lambda store: Maintenance(settings, store, "worker").run_once())
    assert bodies(kept) == {"bob-done", "bob-dead", "bob-open"}
    assert kept.ask(audit).clean


def test_erased_dead_events_are_not_run_again(kept: Deployment) -> None:
    kept.run("erase", ANN, "--yes")
    ran = kept.run("dead", "retry", "ann-dead", "--yes")
    assert ran.code == 1
    assert "body" in ran.stdout + ran.stderr
    assert bodies(kept) == {"ann-open", "bob-done", "bob-dead", "bob-open"}


def test_with_a_key_nothing_of_the_number_is_left_in_what_opt_outs_hold(deployment: Deployment) -> None:
    encryption = Sealer(parse_keys(KEY))
    hidden = replace(deployment, encryption=encryption)
    deployment.ask(lambda store: record_consent(store, [ConsentChange(ANN, "out", 10.0)], now=0))
    assert hidden.ask(lambda store: erasure.erase(store, ANN)).opt_out == "hidden"
    stored = deployment.redis.hgetall(deployment.keys.optouts)
    assert stored == {encryption.hide(ANN).encode(): b"10000 - message - - -"}
    assert hidden.ask(lambda store: consent_of(store, ANN)).opted_out
    listed = orjson.loads(hidden.run("optouts", "list", "--json", "--reveal").stdout or "[]")
    assert [each["number"] for each in listed] == [encryption.hide(ANN)]


def test_effects_whose_key_is_away_are_told_of(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(deployment, "1", {"to": [{"phone_number": BOB}]})
    sent_for(replace(deployment, encryption=Sealer(parse_keys(KEY))), "1", ANN)
    ran = deployment.run("erase", ANN, "--yes")
    assert ran.code == 1
    assert "1 events are sealed under a key that RINGBACK_ENCRYPTION_KEY does not hold" in ran.stderr


def test_nobody_is_erased_without_asking_and_nothing_without_a_number(kept: Deployment) -> None:
    before = bodies(kept)
    assert kept.run("erase", ANN).code == 1
    assert kept.run("erase", "nobody", "--yes").code == 2
    assert bodies(kept) == before


def test_bodies_whose_key_is_away_are_told_of(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = replace(deployment, encryption=Sealer(parse_keys(KEY)))
    arrive(sealed, "1", received_sms(ANN, "hello"))
    monkeypatch.setenv("RINGBACK_ENCRYPTION_KEY", base64.b64encode(secrets.token_bytes(32)).decode())
    ran = deployment.run("erase", ANN, "--yes")
    assert ran.code == 1
    assert "1 events are sealed under a key that RINGBACK_ENCRYPTION_KEY does not hold" in ran.stderr


@pytest.mark.slow
def test_very_many_events_are_looked_through(deployment: Deployment) -> None:
    async def fill_and_erase(store: Store) -> Erased:
        for start in range(0, 700, 100):
            numbers = [ANN if each % 7 == 0 else BOB for each in range(start, start + 100)]
            made = [orjson.dumps(envelope("test.x", {"to": number})) for number in numbers]
            arrivals = [NewEvent(f"{start}-{at}", "test.x", body, "webhook") for at, body in enumerate(made)]
            await accept(store, arrivals)
        return await erasure.erase(store, ANN)

    erased = deployment.ask(fill_and_erase)
    assert (len(erased.looked_at), len(erased.still_open)) == (700, 100)


@pytest.mark.slow
@pytest.mark.parametrize("forgotten", [1, 49, 50, 120])
def test_expiry_that_goes_on_meanwhile_hides_no_older_event(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, forgotten: int
) -> None:
    for number in range(200):
        arrive(deployment, f"event-{number:03}", {"from": {"phone_number": ANN if number < 50 else BOB}})
        deployment.end(deployment.claim(f"event-{number:03}", "greet"), greet=HandlerRecord("done"))
    monkeypatch.setattr(erasure, "find", expiring_before(forgotten))
    erased = deployment.ask(lambda store: erasure.erase(store, ANN))
    assert erased.bodies == 50


def expiring_before(number: int) -> Any:
    """`find` that first lets the newest events expire, once."""
    left = [number]

    async def find_later(store: Store, event_id: str) -> Any:
        while left:
            newest = await store.redis.zrange(store.keys.events, 0, left.pop() - 1, desc=True)
            await store.redis.zrem(store.keys.events, *newest)
            await store.redis.delete(*(store.keys.event(each.decode()) for each in newest))
        return await find(store, event_id)

    return find_later


def test_the_receipt_names_events_that_a_search_for_the_number_still_finds(deployment: Deployment) -> None:
    arrive(deployment, "compact", {"from": {"phone_number": ANN}})
    deployment.end(deployment.claim("compact", "greet"), greet=HandlerRecord("done"))
    deployment.ask(lambda store: prune_bodies(store, older_than=0))
    ran = deployment.run("erase", ANN, "--yes")
    assert "Still found by the number (events list --number): 1 events, compact." in ran.stdout
    found = deployment.run("events", "list", "--number", ANN, "--json")
    assert [each["id"] for each in orjson.loads(found.stdout)] == ["compact"]


@pytest.mark.parametrize("way", ["dropped", "expired"])
def test_the_ledger_quotes_nothing_of_an_event_that_is_gone(deployment: Deployment, way: str) -> None:
    arrive(deployment, "gone", {"from": {"phone_number": ANN}})
    sent_for(deployment, "gone", ANN, caller_key=True, state="dead")
    if way == "dropped":
        assert deployment.run("dead", "drop", "gone", "--yes").code == 0
    else:
        deployment.ask(lambda store: expire(store, retention=0, dead_retention=0))
    entry: Any = deployment.redis.hgetall(f"{deployment.namespace}:effect:effect-gone")
    assert entry[b"state"] == b"done", "so that the key is not used once more"
    assert b"m-1" in entry[b"answer"]
    assert not [field for field, value in entry.items() if ANN.encode() in value or b"hello" in value]
    assert b"recipient" not in entry


def test_it_goes_on_after_an_outage_of_redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"event-{number:03}" for number in range(120)]
    forgotten: list[str] = []
    with (
        BlockingRedis.from_url(redis_url) as redis,
        open_proxy(Path(urlsplit(redis_url).path)) as proxy,
    ):
        deployment = Deployment(redis_url, f"cli-{uuid.uuid4().hex}", redis)
        for event_id in ids:
            arrive(deployment, event_id, {"from": {"phone_number": ANN if event_id.endswith("1") else BOB}})
            deployment.end(deployment.claim(event_id, "greet"), greet=HandlerRecord("done"))
        keys = [deployment.keys.event(each) for each in ids]

        def after_the_outage(*_: str, err: bool) -> None:
            """The server answers again, and has lost what it wrote last."""
            lost = next(each for each in keys if not redis.hexists(each, "body"))
            redis.hset(lost, "body", orjson.dumps({"to": ANN}))
            forgotten.append(lost)
            proxy.mend()

        monkeypatch.setattr(outages, "say", after_the_outage)
        monkeypatch.setattr(outages, "FIRST_PAUSE", 0.01)
        reads = refused_at(70, proxy, monkeypatch)
        ran = run_here(
            "erase", ANN, "--yes", **{**deployment.environment, "REDIS_URL": f"redis://127.0.0.1:{proxy.port}"}
        )
        kept = [each for each, key in zip(ids, keys, strict=True) if redis.hexists(key, "body")]
    assert (ran.code, len(forgotten)) == (0, 1), ran.stderr
    assert kept == [each for each in ids if not each.endswith("1")]
    assert "Looked through 120 events." in ran.stdout
    assert reads.total() <= 120 + erasure.PAGE, "no event but those of the page that was cut off is read twice"


def refused_at(number: int, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Let Redis refuse all connections from this reading of an event on. Return the readings of each."""
    reads = Counter[str]()

    async def find_or_lose(store: Store, event_id: str) -> Any:
        reads[event_id] += 1
        if reads.total() == number:
            proxy.refuse()
        return await find(store, event_id)

    monkeypatch.setattr(erasure, "find", find_or_lose)
    return reads
