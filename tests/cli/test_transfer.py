"""`ringback events export` and `import`: what may be told, what comes back, and that nothing runs by accident."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service import Context, Event, Router
from service.events.consent import ConsentChange
from service.store.facts.consent import opted_out, record_consent
from service.store.facts.message_states import Recipient, read_state
from service.store.inbox import transfer
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.records import EventRecord
from service.store.store import Store
from tests.cli.deployment import Deployment
from tests.cli.operator import Operator
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms
from tests.waiting import wait_for


def fill(stack: Stack, *bodies: Any) -> None:
    router = Router()

    @router.on("message.*")
    async def look(event: Event[Any], ctx: Context) -> None: ...

    stack.start_worker(router)
    for body in bodies:
        stack.deliver(body)
        stack.ended(body)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_numbers_are_replaced_consistently_and_texts_are_gone(stack: Stack) -> None:
    number, other, text = fresh_number(), fresh_number(), "call me at 312 555 0188, please"
    fill(
        stack,
        envelope("message.received", received_sms(number, text)),
        envelope("message.finalized", finalized_rcs("delivered", number, text=text)),
        envelope("message.received", received_sms(other, f"from {number}", odd={"new_field": f"{number} {text}"})),
    )
    exported = Operator.of(stack).run("events", "export").stdout
    for private in (number, number[1:], other[1:], "312 555 0188", "please", "13125550100"):
        assert private not in exported
    third, second, first = lines(exported)
    disguised = first["body"]["data"]["payload"]["from"]["phone_number"]
    assert disguised == second["body"]["data"]["payload"]["to"][0]["phone_number"]
    assert disguised.startswith("+999")
    assert disguised != third["body"]["data"]["payload"]["from"]["phone_number"]
    assert first["body"]["data"]["payload"]["text"] == "x" * len(text)
    assert (first["type"], first["state"]) == ("message.received", "done")
    again = lines(Operator.of(stack).run("events", "export").stdout)[2]
    assert again["body"]["data"]["payload"]["from"]["phone_number"] != disguised, "each export has a secret of its own"


def test_what_is_exported_raw_comes_back_as_it_was(stack: Stack, deployment: Deployment, tmp_path: Path) -> None:
    body = envelope("message.received", received_sms(fresh_number(), "hi"))
    fill(stack, body)
    file = tmp_path / "events.jsonl"
    file.write_text(Operator.of(stack).run("events", "export", "--raw").stdout)

    assert deployment.run("events", "import", str(file)).stdout == "imported: 1 event.\n"

    theirs, ours = stack.record(body["data"]["id"]), deployment.ask(lambda store: _found(store, body))
    assert theirs is not None
    assert (ours.body, ours.state, ours.type, ours.received_at) == (
        theirs.body,
        theirs.state,
        theirs.type,
        theirs.received_at,
    )
    assert ours.handlers["look"].state == "done"
    assert deployment.run("audit").stdout.startswith("1 accepted = 1 done")
    again = deployment.run("events", "import", str(file))
    assert (again.stdout, again.code) == ("imported: 0 events.\n", 0)
    assert "since they are known: 1 event." in again.stderr
    assert "imported by an operator" in deployment.run("events", "show", body["data"]["id"]).stdout


async def _found(store: Store, body: Any) -> Any:
    from service.store.inbox.accept import find

    return await find(store, body["data"]["id"])


def test_a_pipe_is_imported_like_a_file(deployment: Deployment) -> None:
    deployment.one_of_each()
    # Such as `<(zcat events.jsonl.gz)` in a shell.
    output, entry = os.pipe()
    os.write(entry, deployment.run("events", "export").stdout.encode())
    os.close(entry)
    ran = deployment.neighbour().run("events", "import", f"/dev/fd/{output}")
    os.close(output)
    assert (ran.code, ran.stdout) == (0, "imported: 5 events.\n")


def test_all_states_are_stored_as_ended_and_the_sum_holds(deployment: Deployment, tmp_path: Path) -> None:
    deployment.one_of_each()
    deployment.finish("open", greet=HandlerRecord("waiting", 2, due=2**42))
    file = tmp_path / "events.jsonl"
    file.write_text(deployment.run("events", "export").stdout)
    deployment.run("dead", "drop", "--all", "--yes")
    other = deployment.neighbour()

    assert other.run("events", "import", str(file)).stdout == "imported: 5 events.\n"
    audited = other.run("audit")
    assert (audited.code, audited.stdout) == (0, "5 accepted = 1 done + 1 ignored + 3 dead + 0 open\n0 differ\n")
    assert {event["id"] for event in json.loads(other.run("dead", "list", "--json").stdout)} == {
        "open",
        "leased",
        "dead",
    }


def test_an_event_that_no_handler_had_begun_comes_as_dead_and_a_retry_runs_all_handlers(
    stack: Stack, deployment: Deployment, tmp_path: Path
) -> None:
    deployment.one_of_each()
    deployment.run("events", "replay", "done", "--yes")
    file = tmp_path / "events.jsonl"
    file.write_text(deployment.run("events", "export", "--raw").stdout)
    assert {each["id"] for each in lines(file.read_text()) if each["state"] == "open"} == {"open", "leased", "done"}

    operator, seen = Operator.of(stack), list[str]()
    assert operator.run("events", "import", str(file)).stdout == "imported: 5 events.\n"
    states = {event_id: found(stack, event_id).state for event_id in ("open", "leased", "done", "ignored", "dead")}
    assert states == {"open": "dead", "leased": "dead", "done": "dead", "ignored": "ignored", "dead": "dead"}
    assert {(each.reason, each.error) for each in found(stack, "open").handlers.values()} == {
        ("imported", transfer.UNENDED)
    }
    assert operator.run("audit").stdout.startswith("5 accepted = 0 done + 1 ignored + 4 dead + 0 open\n0 differ")

    router = Router()

    @router.on("*")
    async def greet(event: Event[Any], ctx: Context) -> None:
        seen.append(event.id)

    stack.start_worker(router)
    operator.run("dead", "retry", "open", "done", "--yes", "--yes-send")
    wait_for(lambda: [found(stack, each).state for each in ("open", "done")] == ["done", "done"])
    assert sorted(seen) == ["done", "open"]
    assert set(found(stack, "open").handlers) == {"greet"}


def found(stack: Stack, event_id: str) -> EventRecord:
    record = stack.record(event_id)
    assert record is not None
    return record


def test_an_imported_event_is_neither_retried_nor_replayed_unawares(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(exported(id="one", handlers={"greet": {"state": "dead", "attempts": 8}}, body={"data": {}}))
    deployment.run("events", "import", str(file))
    for command in (("dead", "retry", "one"), ("events", "replay", "one")):
        ran = deployment.run(*command, "--yes")
        assert ran.code == 1
        assert "say --yes-send" in ran.stderr
    assert deployment.run("dead", "retry", "one", "--yes", "--yes-send").code == 0
    assert deployment.run("audit").stdout.startswith("1 accepted = 0 done + 0 ignored + 0 dead + 1 open")


def test_run_is_refused_without_a_word_and_then_processes(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, operator = fresh_number(), Operator.of(stack)
    body = envelope("message.received", received_sms(number, "hi"))
    file = tmp_path / "events.jsonl"
    file.write_text(exported(id=body["data"]["id"], type="message.received", body=body))
    assert "say --yes-send" in operator.run("events", "import", str(file), "--run", "--yes", code=2).stderr
    assert operator.run("events", "import", str(file), "--run", "--yes-send", code=1).stdout.strip() == ""
    assert stack.record(body["data"]["id"]) is None

    router, seen = Router(), list[str]()

    @router.on("message.received")
    async def look(event: Event[Any], ctx: Context) -> None:
        seen.append(event.payload["text"])

    stack.start_worker(router)
    monkeypatch.setenv("RINGBACK_DRY_RUN", "true")
    operator.run("events", "import", str(file), "--run", "--yes")
    assert stack.ended(body).state == "done"
    assert seen == ["hi"]
    assert stack.deliver(body).json() == {"status": "duplicate"}


def test_a_stop_in_a_file_counts_from_when_it_was_said(deployment: Deployment, tmp_path: Path) -> None:
    out, back, number = fresh_number(), fresh_number(), fresh_number()
    said = {"received_at": "2026-01-31T08:00:00Z"}
    start = ConsentChange(back, "in", 1_769_846_400.0 + 60)
    deployment.ask(lambda store: record_consent(store, [start], now=0))
    bodies = [
        envelope("message.received", received_sms(out, "Revoke!", **said)),
        envelope("message.received", received_sms(back, "STOP", **said)),
        envelope("message.finalized", finalized_rcs("delivery_failed", number, errors=[{"code": 40300}])),
    ]
    file = tmp_path / "events.jsonl"
    file.write_text(
        "".join(exported(id=each["data"]["id"], type=each["data"]["event_type"], body=each) for each in bodies)
    )
    assert deployment.run("events", "import", str(file)).code == 0
    known = [deployment.ask(partial(opted_out, number=each)) for each in (out, back, number)]
    assert known == [True, False, True]


def test_what_the_end_of_a_file_says_counts_before_its_first_event_runs(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = fresh_number()
    bodies = [envelope("message.received", received_sms(fresh_number(), "hi")) for _ in range(transfer.STEP)]
    bodies.append(envelope("message.received", received_sms(number, "STOP")))
    bodies.append(envelope("message.finalized", finalized_rcs("delivered", number, id="message-that-arrived")))
    file = tmp_path / "events.jsonl"
    file.write_text(
        "".join(exported(id=each["data"]["id"], type=each["data"]["event_type"], body=each) for each in bodies)
    )

    async def break_off(store: Store, *_: object, **__: object) -> list[str]:
        assert await opted_out(store, number)
        state = await read_state(store, "message-that-arrived", [Recipient(number, "effect")], by="another")
        assert state.recipients[number].reason == "already_delivered"
        raise ConnectionError

    monkeypatch.setattr(transfer, "import_events", break_off)
    with pytest.raises(ConnectionError):
        deployment.run("events", "import", str(file), "--run", "--yes", "--yes-send")


def exported(**changes: Any) -> str:
    line = {
        "id": "one",
        "type": "test.something",
        "state": "done",
        "received_at": "2026-01-31T08:00:00.123Z",
        "body": None,
    }
    return json.dumps(line | changes) + "\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no JSON", "not a JSON object on one line"),
        ("[]", "line 2"),
        (json.dumps({"id": "x"}), "type: Field required"),
        (exported(received_at="yesterday"), "received_at"),
        (exported(received_at="2026-01-31T08:00:00"), "received_at"),
        (exported(id="a\nb"), "id: only printable characters"),
        (exported(id=""), "id"),
        (exported(body=[1]), "body"),
        (exported(body="no JSON"), "body: body is not valid JSON"),
        (exported(body="[]"), "body: body is not a JSON object"),
        (exported(body={"data": "x" * 2**21}), "body: larger than"),
        (exported(deliveries=0), "deliveries"),
        (exported(handlers={"a b": {"state": "done"}}), "handlers"),
        (exported(handlers={"greet": {"state": "lost"}}), "handlers"),
    ],
)
def test_a_line_that_is_no_event_is_named_and_nothing_is_stored(
    deployment: Deployment, tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(exported(id="fine") + line.rstrip("\n") + "\n")
    ran = deployment.run("events", "import", str(file))
    assert ran.code == 2
    assert "line 2" in ran.stderr
    assert words in " ".join(ran.stderr.replace("│", " ").split())
    assert deployment.run("audit").stdout.startswith("0 accepted")


def test_an_export_of_a_time_that_ends_before_it_begins_exits_2(deployment: Deployment) -> None:
    ran = deployment.run("events", "export", "--since", "15m", "--until", "2h")
    assert (ran.code, ran.stdout) == (2, "")


def test_a_file_that_is_not_there_exits_2(deployment: Deployment) -> None:
    assert deployment.run("events", "import", "nowhere.jsonl").code == 2


def test_a_time_far_back_or_ahead_does_no_harm(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    times = {"old": "1970-01-01T00:00:00.000Z", "new": "2999-01-01T00:00:00.000Z"}
    file.write_text("".join(exported(id=name, received_at=at, type="test.rare") for name, at in times.items()))
    deployment.run("events", "import", str(file))
    listed = json.loads(deployment.run("events", "list", "--json", "--type", "test.rare").stdout)
    assert [event["id"] for event in listed] == ["new", "old"]
    assert deployment.run("audit").code == 0
