"""The way in: declared URLs that answer, and agents and profiles that deliver there."""

import base64
import secrets
from dataclasses import replace

import pytest
from pydantic import SecretStr

from service.ingress.app import create_app
from tests.doctor.looking import look
from tests.stack import Stack


def url_of(stack: Stack) -> str:
    return f"{stack.host.url}/webhooks"


def deliver_here(stack: Stack) -> None:
    """Let every agent and profile at the local Telnyx deliver to the stack."""
    account = stack.simulator.account
    for profile in account.profiles:
        account.profiles.put(profile.model_copy(update={"webhook_url": url_of(stack)}))
    for agent in account.agents:
        account.agents.put(replace(agent, webhook_url=url_of(stack)))


def test_a_declared_url_must_answer(stack: Stack) -> None:
    found = look(stack, "public url", public_url=url_of(stack))
    assert (found.status, "RINGBACK_PROBE_KEY" in found.told) == ("ok", True)
    for wrong in (f"{stack.host.url}/elsewhere", "http://127.0.0.1:1/webhooks"):
        found = look(stack, "public url", public_url=wrong)
        assert found.status == "failed", found
    unset = look(stack, "public url")
    assert (unset.status, "RINGBACK_PUBLIC_URL" in unset.told) == ("warning", True)


def test_the_probe_proves_that_it_is_this_ringback(stack: Stack) -> None:
    ours, others = (SecretStr(base64.b64encode(secrets.token_bytes(32)).decode()) for _ in range(2))
    with stack.host.serving(create_app(stack.settings.model_copy(update={"probe_key": ours}))):
        found = look(stack, "public url", public_url=url_of(stack), probe_key=ours)
        assert (found.status, "as this Ringback" in found.told) == ("ok", True)
        found = look(stack, "public url", public_url=url_of(stack), probe_key=others)
        assert (found.status, "RINGBACK_PROBE_KEY" in found.told) == ("failed", True)


def test_a_login_and_a_token_in_the_url_are_not_shown(stack: Stack) -> None:
    found = look(stack, "public url", public_url="http://me:hidden@127.0.0.1:1/webhooks?token=secret")
    assert found.status == "failed"
    assert "hidden" not in found.told
    assert "secret" not in found.told


def test_plain_http_beyond_this_machine_is_refused(stack: Stack) -> None:
    found = look(stack, "public url", public_url="http://hooks.example.com/webhooks")
    assert (found.status, "is not https" in found.told) == ("failed", True)


def test_agents_and_profiles_are_compared_with_the_declared_urls(stack: Stack) -> None:
    declared = {"public_url": url_of(stack)}
    assert look(stack, "destinations").status == "ok"
    nobody = look(stack, "destinations", **declared)
    assert (nobody.status, "RINGBACK_MANAGE" in nobody.told) == ("warning", True)
    drifted = look(stack, "destinations", **declared, manage="acme_agent")
    assert (drifted.status, "agent acme_agent" in drifted.told) == ("failed", True)
    deliver_here(stack)
    found = look(stack, "destinations", **declared, manage="*")
    assert (found.status, found.told) == ("ok", "6 agents and profiles deliver here, 0 are not managed")


def test_a_managed_id_that_the_account_lacks_is_named(stack: Stack) -> None:
    deliver_here(stack)
    found = look(stack, "destinations", public_url=url_of(stack), manage="acme_agent,gone_agent")
    assert (found.status, "gone_agent" in found.told) == ("failed", True)


@pytest.mark.parametrize("status", [403, 503])
def test_a_refusal_of_telnyx_is_a_finding(stack: Stack, status: int) -> None:
    stack.simulator.add_fault(kind="status", status=status, path="/messaging/rcs/agents", times=None)
    found = look(stack, "destinations", public_url=url_of(stack))
    assert (found.status, str(status) in found.told) == ("failed", True)
