"""A caller's own `Idempotency-Key` through a real worker, the real SDK and the local Telnyx."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from service import Context, Event, Router
from service.testing.simulator.rcs_registration.brands import RcsBrand
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number

CONTACT = {"basics": {"email": {"address": "ann@diner.example", "label": "Help"}}}
Call = Callable[[Context, str], Awaitable[Any]]


async def create_agent(ctx: Context, _: str, **draft: Any) -> Any:
    fields: dict[str, Any] = {
        "brand_id": "brand-1",
        "configuration": CONTACT,
        "display_name": "Diner",
        "use_case": "OTP",
    }
    return await ctx.telnyx.rcs.agents.create(**{**fields, **draft}, idempotency_key="agent-17")


async def order_numbers(ctx: Context, number: str) -> Any:
    headers = {"Idempotency-Key": "order-17"}
    return await ctx.telnyx.messaging_hosted_number_orders.create(phone_numbers=[number], extra_headers=headers)


async def chat_by_sms(ctx: Context, number: str) -> Any:
    send = ctx.telnyx.ai.assistants.send_sms
    return await send("a-1", from_=SMS_FROM, to=number, text="Hello", idempotency_key="chat-17")


async def chat_by_whatsapp(ctx: Context, number: str) -> Any:
    send = ctx.telnyx.ai.assistants.whatsapp
    return await send("a-1", from_=SMS_FROM, to=number, content="Send the code.", idempotency_key="chat-18")


async def send_sms(ctx: Context, number: str) -> Any:
    return await ctx.telnyx.messages.send(from_=SMS_FROM, to=number, text="Hello", idempotency_key="sms-17")


async def send_by_short_code(ctx: Context, number: str) -> Any:
    send = ctx.telnyx.messages.send_short_code
    return await send(from_="36180", to=number, text="Hello", idempotency_key="short-17")


async def send_by_pool(ctx: Context, number: str) -> Any:
    send = ctx.telnyx.messages.send_number_pool
    return await send(messaging_profile_id="p-1", to=number, text="Hello", idempotency_key="pool-17")


async def send_to_group(ctx: Context, number: str) -> Any:
    send = ctx.telnyx.messages.send_group_mms
    return await send(from_=SMS_FROM, to=[number, fresh_number()], text="Hello", idempotency_key="group-17")


CALLS: dict[str, Call] = {
    "agent-17": create_agent,
    "order-17": order_numbers,
    "chat-17": chat_by_sms,
    "chat-18": chat_by_whatsapp,
    "sms-17": send_sms,
    "short-17": send_by_short_code,
    "pool-17": send_by_pool,
    "group-17": send_to_group,
}


def calling(call: Call, number: str) -> Router:
    router = Router()

    @router.on("test.call", name="handler")
    async def handler(event: Event, ctx: Context) -> None:
        await call(ctx, number)

    return router


def posts(stack: Stack) -> list[Any]:
    return [each for each in stack.simulator.requests if each.method == "POST"]


def run(stack: Stack, router: Router) -> Any:
    event = envelope("test.call", {})
    stack.simulator.account.rcs_brands.put(RcsBrand("brand-1", {}))
    stack.start_worker(router)
    assert stack.deliver(event).status_code == 200
    return stack.ended(event)


@pytest.mark.parametrize("key", CALLS)
def test_a_callers_own_key_reaches_telnyx(stack: Stack, key: str) -> None:
    record = run(stack, calling(CALLS[key], fresh_number()))
    assert record.state == "done"
    assert [each.idempotency_key for each in posts(stack)] == [key]


@pytest.mark.parametrize("key", ["agent-17", "chat-17", "chat-18", "short-17", "pool-17"])
def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(stack: Stack, key: str) -> None:
    stack.simulator.add_fault(kind="reset", when="after", method="POST")
    record = run(stack, calling(CALLS[key], fresh_number()))
    assert (record.state, record.handlers["handler"].attempts) == ("done", 0)
    assert [(each.idempotency_key, each.replayed) for each in posts(stack)] == [(key, False), (key, True)]
    assert len(stack.simulator.account.messages) + len(stack.simulator.account.rcs_agents) == 1


def test_a_key_of_another_agent_is_refused_once_and_for_good(stack: Stack) -> None:
    """Somebody else has used the key at Telnyx, for another request: SDK 4.189 calls the answer a conflict."""
    draft = {"brand_id": "brand-1", "configuration": CONTACT, "display_name": "Another", "use_case": "OTP"}
    stack.simulator.account.rcs_brands.put(RcsBrand("brand-1", {}))
    headers = {"authorization": "Bearer KEY", "idempotency-key": "agent-17"}
    assert httpx.post(f"{stack.settings.base_url}/rcs/agents", json=draft, headers=headers).status_code == 201
    record = run(stack, calling(create_agent, ""))
    assert (record.state, record.handlers["handler"].attempts) == ("dead", 1)
    assert [each.status for each in posts(stack)] == [201, 409]


def test_one_key_for_two_operations_is_two_effects(stack: Stack) -> None:
    number = fresh_number()

    async def both(ctx: Context, _: str) -> None:
        agent = await create_agent(ctx, "")
        sent = await ctx.telnyx.messages.send(from_=SMS_FROM, to=number, text="Hi", idempotency_key="agent-17")
        assert sent.data is not None
        assert sent.data.id != agent.agent_id

    assert run(stack, calling(both, number)).state == "done"
    assert len(stack.sent_to(number)) == 1


def test_a_chat_of_an_assistant_is_never_sent_to_who_said_stop(stack: Stack) -> None:
    """Telnyx's refusal is kept as an opt-out, as that of any other send."""
    number = fresh_number()
    stack.simulator.receive(sender=number, to=SMS_FROM, text="STOP")
    assert run(stack, calling(chat_by_sms, number)).handlers["handler"].reason == "40300"
