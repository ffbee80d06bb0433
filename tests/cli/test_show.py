"""`ringback events show` and `dead show`: one readable timeline, with numbers and texts only on request."""

import json
from typing import Any

from service import Context, Event, Router
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.leases import ClaimRequest, claim
from tests.cli.deployment import Deployment
from tests.cli.operator import Operator
from tests.stack import Stack
from tests.telnyx_events import envelope, fresh_number, received_sms

TEXT = "the words of a message"


def answered(stack: Stack, number: str) -> dict[str, Any]:
    router = Router()

    @router.on("message.received")
    async def answer(event: Event[Any], ctx: Context) -> None:
        await ctx.reply(f"You said: {TEXT}")

    stack.start_worker(router)
    body = envelope("message.received", received_sms(number, TEXT))
    stack.deliver(body)
    stack.ended(body)
    return body


def test_the_timeline_holds_everything_and_nothing_private(stack: Stack) -> None:
    number = fresh_number()
    body = answered(stack, number)
    for path in ("/webhooks", "/webhooks/failover"):
        assert stack.deliver(body, path=path).json() == {"status": "duplicate"}

    ran = Operator.of(stack).run("events", "show", body["data"]["id"])

    for private in (number, number[1:], TEXT, "13125550100"):
        assert private not in ran.stdout + ran.stderr
    told = ran.stdout.splitlines()
    assert told[:2] == [body["data"]["id"], "message.received, done"]
    for words in (
        "occurred (per Telnyx)",
        "accepted",
        "POST /messages for ",
        "answered 200 after",
        "ran: done, after",
        "delivered once more, by webhook: a duplicate",
        "delivered once more, by failover: a duplicate",
    ):
        assert any(words in line for line in told), words
    assert '"text": "•••"' in ran.stdout


def test_reveal_shows_the_body_and_what_went_out(stack: Stack) -> None:
    number = fresh_number()
    body = answered(stack, number)
    ran = Operator.of(stack).run("events", "show", body["data"]["id"], "--reveal")
    assert number in ran.stdout
    assert f'"text": "{TEXT}"' in ran.stdout


def test_machines_get_an_object(stack: Stack) -> None:
    number = fresh_number()
    body = answered(stack, number)
    ran = Operator.of(stack).run("events", "show", body["data"]["id"], "--json")
    told = json.loads(ran.stdout)
    assert (told["id"], told["state"], told["deliveries"]) == (body["data"]["id"], "done", 1)
    assert [line["at"] for line in told["story"]] == sorted(line["at"] for line in told["story"])
    [effect] = told["effects"]
    assert (effect["state"], effect["in_doubt"], effect["requests"][0]["status"]) == ("done", False, 200)
    assert told["body"]["data"]["payload"]["text"] == "•••"
    assert number[1:] not in ran.stdout


def test_a_lapse_of_its_lease_is_told(deployment: Deployment) -> None:
    deployment.accept("one")
    deployment.claim("one", "greet")
    deployment.redis.hset(deployment.keys.event("one"), "lease_until", "1")
    deployment.redis.zadd(deployment.keys.queue, {deployment.keys.job_id("one"): 1})
    request = ClaimRequest("other", 1, lease=60, limit=1, routes={})
    assert deployment.ask(lambda store: claim(store, request)).leases
    told = deployment.run("events", "show", "one").stdout
    assert "its worker vanished (worker): the lease lapsed, which counts against the event" in told
    assert "leased, " in told
    assert deployment.run("audit").code == 0


def test_an_event_that_is_not_there_exits_1(deployment: Deployment) -> None:
    for command in ("events", "dead"):
        ran = deployment.run(command, "show", "nothing")
        assert (ran.code, ran.stdout) == (1, "")
        assert "There is no event with this id" in ran.stderr


def test_dead_show_shows_dead_ones_only(deployment: Deployment) -> None:
    deployment.one_of_each()
    assert "greet" in deployment.run("dead", "show", "dead").stdout
    ran = deployment.run("dead", "show", "done")
    assert (ran.code, ran.stderr) == (1, "done is done, not dead: ringback events show done\n")


def test_of_an_event_without_its_body_the_end_is_told(deployment: Deployment) -> None:
    from service.store.inbox.maintenance import prune_bodies

    deployment.accept("one")
    deployment.accept("one")
    deployment.finish("one", greet=HandlerRecord("done", 2, reason="said"))
    deployment.ask(lambda store: prune_bodies(store, older_than=-1))
    deployment.accept("one")
    told = deployment.run("events", "show", "one").stdout
    assert "delivered 2 more times" in told
    assert told.endswith("body\nexpired (retention)\n")
