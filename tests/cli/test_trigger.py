"""`ringback trigger`: any event that Telnyx may send, signed with the development key."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from handlers import router as built_in
from service.cli.events.trigger_options import complete_events, complete_faults, complete_scenarios
from service.security.masking import mask_number
from service.testing.samples import cases, sample, scenarios
from tests.cli.at_stack import run_at
from tests.cli.deployment import Ran
from tests.documented import blocks
from tests.processes.running import ringback
from tests.stack import Stack
from tests.telnyx_events import fresh_number
from tests.waiting import wait_for


@pytest.fixture
def trigger(stack: Stack, tmp_path: Path) -> Any:
    """The command at a stack that accepts the development key."""
    key = tmp_path / "data" / "development.key"
    key.parent.mkdir(mode=0o700)
    key.write_bytes(base64.b64encode(bytes(stack.signing_key)))
    key.chmod(0o600)

    def run(*arguments: str, **options: Any) -> Ran:
        return run_at(stack, "trigger", *arguments, "--to", f"{stack.http.base_url}/webhooks", **options)

    return run


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Answer one connection with these bytes. Gives the URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/webhooks"
        thread.join()


def delivered(ran: Ran) -> list[dict[str, Any]]:
    assert ran.code == 0, ran.stdout + ran.stderr
    return [told for line in ran.stdout.splitlines() if "sample" in (told := json.loads(line))]


def test_the_answer_the_id_and_the_command_that_shows_the_event_are_printed(stack: Stack, trigger: Any) -> None:
    ran = trigger("rcs.failed")
    answer, command = ran.stdout.splitlines()
    assert answer == '200 {"status":"accepted"}  rcs.failed'
    event_id = command.removeprefix("ringback events show ")
    assert stack.recorded(event_id).type == "message.finalized"
    meta = json.loads(stack.recorded(event_id).body or b"")["meta"]
    assert meta["delivered_to"] == f"{stack.http.base_url}/webhooks", "as at Telnyx"
    flat = trigger("10dlc.campaign.dormant-flat").stdout.splitlines()[-1].removeprefix("ringback events show ")
    assert stack.recorded(flat).type == "10dlc.campaign.update"


def is_accepted(stack: Stack, body: bytes) -> bool:
    """Deliver once, or again after a 503, which a busy machine answers at times."""
    answer = stack.deliver(body)
    assert answer.status_code in {200, 503}
    return answer.status_code == 200


@pytest.mark.slow
def test_every_sample_is_accepted_and_handled_without_a_fault(stack: Stack) -> None:
    # Another number than that of the samples, whose campaigns may be suspended.
    stack.start_worker(built_in, sms_from="+13125550197")
    bodies = {name: json.dumps(sample(name)).encode() for name in cases()}
    ids = {}
    for name, body in bodies.items():
        wait_for(partial(is_accepted, stack, body))
        ids[name] = json.loads(body).get("data", {}).get("id")
    dead = []
    for name, event_id in ids.items():
        if event_id:
            record = stack.ended(event_id)
            if record.state == "dead":
                dead.append(name)
    assert dead == ["rcs.failed-without-text"]


def test_follow_shows_the_timeline_until_the_event_has_ended(stack: Stack, trigger: Any) -> None:
    number = fresh_number()
    stack.start_worker(built_in, sms_from="+13125550199")
    ran = trigger("rcs.failed", "--number", number, "--follow")
    assert ran.code == 0, ran.stderr
    assert ran.stdout.rstrip().endswith("done")
    assert "accepted" in ran.stdout
    assert f"POST /messages for {mask_number(number)}" in ran.stdout
    assert [each.body["text"] for each in stack.sent_to(number)] == ["Your table is ready"]
    dead = trigger("rcs.failed-without-text", "--follow", "--json")
    assert dead.code == 1
    assert json.loads(dead.stdout.splitlines()[-1])["text"] == "dead"


def test_fields_are_set_to_json_or_text_and_removed(stack: Stack, trigger: Any) -> None:
    options = ["--set", "data.payload.to.0.status=expired", "--set", "data.payload.tags=[1]", "--set", "data.x.y=a=b"]
    [one] = delivered(trigger("rcs.failed", *options, "--remove", "data.payload.errors", "--json"))
    body = json.loads(stack.recorded(one["event_id"]).body or b"")["data"]
    payload = body["payload"]
    assert (payload["to"][0]["status"], payload["tags"], body["x"]) == ("expired", [1], {"y": "a=b"})
    assert "errors" not in payload


def test_a_file_or_standard_input_is_delivered(stack: Stack, trigger: Any, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text(json.dumps({"data": {"event_type": "mine.x", "id": "mine-1", "payload": {}}}))
    [one] = delivered(trigger("--file", str(file), "--set", "data.id=mine-2", "--json"))
    [other] = delivered(trigger("--file", "-", "--json", answer=file.read_text()))
    assert (one["event_id"], other["event_id"]) == ("mine-2", "mine-1")
    assert stack.recorded("mine-2").type == "mine.x"


def test_each_of_several_has_a_number_and_an_id_of_its_own(stack: Stack, trigger: Any) -> None:
    told = delivered(trigger("stop.inbound", "--count", "5", "--json"))
    assert len({each["event_id"] for each in told}) == 5
    bodies = [json.loads(stack.recorded(each["event_id"]).body or b"") for each in told]
    assert len({each["data"]["payload"]["from"]["phone_number"] for each in bodies}) == 5
    many = trigger("sms.received", "--count", "30", "--rate", "500")
    assert many.code == 0
    assert many.stdout.splitlines()[1].split() == ["30", "200", '{"status":"accepted"}']


def test_a_scenario_is_a_sequence_about_one_message(stack: Stack, trigger: Any) -> None:
    for names in (("scenario", "rcs-out-of-order"), ("rcs-out-of-order",)):
        told = delivered(trigger(*names, "--json"))
        assert [each["sample"] for each in told] == ["rcs.read", "rcs.delivered", "rcs.sent"]
        bodies = [json.loads(stack.recorded(each["event_id"]).body or b"")["data"]["payload"] for each in told]
        assert len({(each["id"], each["to"][0]["phone_number"]) for each in bodies}) == 1


def test_faults_come_on_top_and_change_no_result(stack: Stack, trigger: Any) -> None:
    told = delivered(trigger("rcs.delivered", "--chaos", "dup,late,badsig,stale,retry", "--json"))
    assert [(each["chaos"], each["status"]) for each in told] == [
        ("badsig", 401),
        ("stale", 401),
        (None, 200),
        ("dup", 200),
        ("retry", 200),
        ("retry", 200),
    ]
    record = stack.recorded(told[0]["event_id"])
    assert record.deliveries == 4
    happened = json.loads(record.body or b"")["data"]["occurred_at"]
    assert sample("rcs.delivered")["data"]["occurred_at"] > happened
    assert "timestamp is beyond the tolerance" in told[1]["answer"]


def test_events_come_in_reverse_order(trigger: Any) -> None:
    told = delivered(trigger("rcs-delivered-and-read", "--chaos", "reorder", "--json"))
    assert [each["sample"] for each in told] == ["rcs.read", "rcs.delivered", "rcs.sent"]


def test_an_answer_that_no_ringback_gives_is_a_failure(stack: Stack, trigger: Any) -> None:
    ran = run_at(stack, "trigger", "rcs.failed", "--to", f"{stack.http.base_url}/elsewhere")
    assert ran.code == 1
    assert "404" in ran.stdout
    assert "expected 200" in ran.stdout
    nobody = run_at(stack, "trigger", "rcs.failed", "--to", "http://127.0.0.1:9/webhooks")
    assert (nobody.code, "ringback up --dev" in nobody.stderr) == (1, True)
    with answering(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        other = run_at(stack, "trigger", "rcs.failed", "--to", url)
    assert (other.code, "the answer is no HTTP" in other.stderr) == (1, True)
    private = run_at(stack, "trigger", "rcs.failed", "--to", "http://me:pass-word@127.0.0.1:9/webhooks?token=abc")
    assert (private.code, "pass-word" in private.stderr, "abc" in private.stderr) == (1, False, False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rcs.fialed"], "is rcs.failed"),
        ([], "--list"),
        (["scenario"], "rcs-late-delivery"),
        (["rcs.failed", "rcs.read"], "name one event"),
        (["rcs.failed", "--set", "x"], "path=value"),
        (["rcs.failed", "--set", "data.payload.to.7.status=1"], "a list of 1"),
        (["rcs.failed", "--remove", "data.nothing"], "there is no data.nothing"),
        (["rcs.failed", "--chaos", "dup,thunder"], "thunder"),
        (["rcs.failed", "--chaos", "reorder"], "several events"),
        (["rcs.failed", "--number", "0123"], "+13125550001"),
        (["--file", "no-such-file"], "no-such-file"),
        (["rcs.failed", "--to", "ftp://x"], "URL"),
        (["rcs.failed", "--to", "http://["], "URL"),
        (["rcs.failed", "--to", "http://127.0.0.1:99999/webhooks"], "URL"),
        (["rcs.failed", "--to", "http://127.0.0.1/web hooks"], "URL"),
        (["--list", "rcs.fialed"], "is rcs.failed"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_bad_usage_is_explained(stack: Stack, tmp_path: Path, arguments: list[str], told: str) -> None:
    ran = run_at(stack, "trigger", *arguments, COLUMNS="300")
    assert ran.code == 2
    assert told in " ".join(ran.stderr.replace("│", " ").split())


def test_samples_are_listed(stack: Stack) -> None:
    table = run_at(stack, "trigger", "--list").stdout
    assert all(each.about in table for each in [*cases().values()])
    assert all(name in table for name in [*cases(), *scenarios()])
    told = json.loads(run_at(stack, "trigger", "--list", "whatsapp", "--json").stdout)
    assert {"name": "whatsapp.read", "about": "WhatsApp message read", "type": "message.read", "fails": False} in told
    assert all(each["name"].startswith("whatsapp") for each in told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "sends", "last"),
    [
        ("rcs-late-delivery", 1, "not_failed"),
        ("rcs.delivered-after-fallback", 1, "not_failed"),
        ("rcs-delivered-and-read", 0, "not_failed"),
        ("rcs-out-of-order", 0, "not_failed"),
        ("rcs-expired-then-read", 1, "not_failed"),
        ("rcs-stop-before-failure", 0, "opted_out"),
    ],
)
def test_a_scenario_about_rcs_ends_as_its_line_says(
    stack: Stack, trigger: Any, scenario: str, sends: int, last: str
) -> None:
    stack.start_worker(built_in, sms_from="+13125550199")
    # The pauses of a scenario are for a worker that runs already.
    assert trigger("sms.received", "--follow").code == 0
    told = [json.loads(line) for line in trigger(scenario, "--follow", "--json").stdout.splitlines()]
    events = [each["event_id"] for each in told if "event_id" in each]
    assert stack.ended(events[-1]).handlers["sms_fallback"].reason == last
    assert len([each for each in stack.simulator.requests if each.method == "POST"]) == sends


@pytest.mark.slow
def test_other_scenarios_end_well_and_a_late_failure_is_too_old(stack: Stack, trigger: Any) -> None:
    stack.start_worker(built_in, sms_from="+13125550199")
    for name in scenarios():
        if not name.startswith("rcs"):
            assert trigger("scenario", name, "--follow").code == 0, name
    [late] = [json.loads(line) for line in trigger("rcs.failed", "--chaos", "late", "--json").stdout.splitlines()]
    assert stack.ended(late["event_id"]).handlers["sms_fallback"].reason == "too_old"


@pytest.mark.slow
def test_the_commands_of_the_page_work(stack: Stack, trigger: Any) -> None:
    stack.start_worker(built_in, sms_from="+13125550199")
    lines = [line for block in blocks("develop.md", "sh") for line in block.splitlines()]
    commands = [line.split()[2:] for line in lines if line.startswith("ringback trigger ")]
    assert len(commands) >= 7
    for words in commands:
        ran = trigger(*words, "--rate", "1000")
        assert ran.code == 0, (words, ran.stdout, ran.stderr)


def test_names_are_completed() -> None:
    assert dict(complete_events("rcs.del")) == {
        "rcs.delivered": cases()["rcs.delivered"].about,
        "rcs.delivered-after-fallback": scenarios()["rcs.delivered-after-fallback"].about,
    }
    assert [name for name, _ in complete_scenarios("hosted-o")] == ["hosted-order-rejected"]
    assert [name for name, _ in complete_faults("dup,re")] == ["dup,retry", "dup,reorder"]


def test_without_a_development_key_nothing_can_be_triggered(tmp_path: Path) -> None:
    ended = ringback("trigger", "rcs.failed", cwd=tmp_path)

    assert ended.returncode == 2
    assert "ringback up --dev" in ended.stderr
