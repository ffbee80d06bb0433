"""With RINGBACK_ENCRYPTION_KEY, nothing on disk tells a number or a text; keys come, change, go and come back."""

import base64
import secrets
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from service.cli.connections import ask_at
from service.security.encryption import PLAIN, Sealer, parse_keys
from service.store.inbox import accept
from service.store.inbox.accept import find
from service.store.inbox.audit import audit
from service.store.keys import Keys
from tests.guarantees.private_events import HANDLERS, Private, add_faults, deliver_all, register
from tests.processes.fleet import NAMESPACE, Fleet, open_fleet
from tests.processes.running import ringback
from tests.telnyx_events import envelope, finalized_rcs, received_sms
from tests.waiting import wait_for

SMS_FROM = "+13125550199"


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def sealer(text: str) -> Sealer:
    return Sealer(parse_keys(text))


def open_events(fleet: Fleet) -> int:
    return ask_at(fleet.server.url, NAMESPACE, PLAIN, accept.counts).open


def run_through(fleet: Fleet, private: Private, count: int) -> None:
    """Deliver so many events, and let all end that do not wait for an hour."""
    add_faults(fleet, private)
    fleet.start_ingress()
    fleet.start_worker()
    bodies = [*private.events(count), *register(fleet, private)]
    deliver_all(fleet, bodies)
    # What said `later`, and what it scheduled, are left open; so are reminders of the toll-free request.
    waiting = sum(_waits(each) for each in bodies)
    wait_for(lambda: open_events(fleet) <= waiting + 3, seconds=200)


def _waits(body: dict[str, object]) -> bool:
    text = str(body)
    return "later secret" in text or "schedule secret" in text


def on_disk(fleet: Fleet) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(fleet.server.folder.data.rglob("*")) if each.is_file())


def rewrite(fleet: Fleet) -> None:
    """Have the server write its files anew."""
    with Redis.from_url(fleet.server.url) as redis:
        redis.execute_command("BGREWRITEAOF")
        wait_for(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
        redis.save()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [120, pytest.param(1000, marks=pytest.mark.soak)])
def test_nothing_on_disk_tells_a_number_or_a_text(tmp_path: Path, count: int) -> None:
    private = Private()
    with open_fleet(tmp_path, HANDLERS, RINGBACK_SMS_FROM=SMS_FROM, RINGBACK_ENCRYPTION_KEY=new_key()) as fleet:
        run_through(fleet, private, count)
        assert fleet.simulator.requests, "handlers did call Telnyx"
        assert fleet.audit_is_clean()
        assert private.found_in(on_disk(fleet)) == set()
        rewrite(fleet)
        assert private.found_in(on_disk(fleet)) == set()


@pytest.mark.slow
def test_without_a_key_the_same_search_finds_them(tmp_path: Path) -> None:
    private = Private()
    with open_fleet(tmp_path, HANDLERS, RINGBACK_SMS_FROM=SMS_FROM) as fleet:
        run_through(fleet, private, 30)
        found = private.found_in(on_disk(fleet))
    assert len(found & private.numbers) > 20
    assert len(found & private.texts) > 10


@pytest.mark.slow
def test_keys_are_added_changed_round_and_taken_away_without_losing_a_stop(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    people = [Private().number() for _ in range(4)]
    with open_fleet(tmp_path, HANDLERS, RINGBACK_SMS_FROM=SMS_FROM) as fleet:
        for person, configured in zip(people, ("", old, f"{new},{old}", new), strict=True):
            fleet.environment["RINGBACK_ENCRYPTION_KEY"] = configured
            running = [fleet.start_ingress(), fleet.start_worker()]
            fleet.accepted(envelope("message.received", received_sms(person, "STOP", autoresponse_type="STOP")))
            failures = [envelope("message.finalized", finalized_rcs("delivery_failed", each)) for each in people]
            fleet.accepted(*failures)
            reasons = [fleet.ended(each).handlers["sms_fallback"].reason for each in failures]
            known = people.index(person) + 1
            assert reasons == ["opted_out"] * known + [None] * (len(people) - known)
            if configured:
                wait_for(partial(all_hidden, fleet, sealer(configured), known))
            for process in running:
                process.kill()
                process.wait()
        assert ask_at(fleet.server.url, NAMESPACE, sealer(new), audit).clean


def all_hidden(fleet: Fleet, encryption: Sealer, count: int) -> bool:
    with Redis.from_url(fleet.server.url) as redis:
        counted: dict[bytes, bytes] = redis.hgetall(Keys(NAMESPACE).optout_keys)
        return counted == {encryption.names[0].encode(): str(count).encode()}


@pytest.mark.slow
def test_without_its_key_a_body_goes_dead_and_with_the_key_back_it_is_retried(tmp_path: Path) -> None:
    lost, other = new_key(), new_key()
    number = Private().number()
    with open_fleet(tmp_path, HANDLERS, RINGBACK_SMS_FROM=SMS_FROM) as fleet:
        fleet.environment["RINGBACK_ENCRYPTION_KEY"] = lost
        fleet.start_ingress()
        failure = envelope("message.finalized", finalized_rcs("delivery_failed", number))
        fleet.accepted(failure)
        fleet.environment["RINGBACK_ENCRYPTION_KEY"] = other
        worker = fleet.start_worker()
        record = fleet.ended(failure)
        assert record.state == "dead"
        assert {each.reason for each in record.handlers.values()} == {"sealed"}
        assert fleet.sent_to(number) == []
        found = ask_at(fleet.server.url, NAMESPACE, sealer(other), lambda store: find(store, record.id))
        assert found is not None
        assert found.body is None
        assert found.sealed_under == sealer(lost).names[0]
        assert f"encryption key {found.sealed_under}" in str(found.handlers["sms_fallback"].error)
        worker.kill()

        fleet.environment["RINGBACK_ENCRYPTION_KEY"] = f"{other},{lost}"
        fleet.start_worker()
        retried = ringback("dead", "retry", record.id, "--yes", cwd=fleet.folder, **_ours(fleet))
        assert retried.returncode == 0, retried.stderr
        wait_for(lambda: (again := fleet.record(record.id)) is not None and again.state == "done")
        assert len(fleet.sent_to(number)) == 1
        assert fleet.audit_is_clean()


def _ours(fleet: Fleet) -> dict[str, str]:
    return {
        name: each for name, each in fleet.environment.items() if name.startswith(("RINGBACK_", "REDIS_", "TELNYX_"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("role", ["ingress", "worker", "up"])
def test_a_malformed_key_is_refused_and_not_told(tmp_path: Path, role: str) -> None:
    short = base64.b64encode(secrets.token_bytes(16)).decode()
    ended = ringback(role, cwd=tmp_path, RINGBACK_ENCRYPTION_KEY=short, TELNYX_API_KEY="KEY")
    assert ended.returncode == 2
    assert "RINGBACK_ENCRYPTION_KEY: each key must be base64 of 32 random bytes, one has 16" in ended.stderr
    assert short not in ended.stdout + ended.stderr
    assert not (tmp_path / "data").exists()
