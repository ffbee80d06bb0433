"""`ringback webhooks`: what differs is shown, what is ours is changed once a Ringback answers there, and comes back."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
import telnyx

from tests.cli.at_stack import asked, environment_of, run_at
from tests.cli.deployment import Ran, run_process
from tests.stack import Stack, open_stack
from tests.testing.simulator.submission import SUBMISSION
from tests.testing.simulator.ten_dlc import provisioned

ELSEWHERE = "https://elsewhere.example/hook"
AGENTS = ("acme_agent", "acme_alerts_agent", "acme_support_agent")


def run(stack: Stack, *arguments: str, answer: str | None = None, **environment: str) -> Ran:
    return run_at(stack, "webhooks", *arguments, answer=answer, **urls(stack), **environment)


def urls(stack: Stack) -> dict[str, str]:
    return {
        "RINGBACK_PUBLIC_URL": f"{stack.host.url}/webhooks",
        "RINGBACK_FAILOVER_URL": f"{stack.host.url}/webhooks/failover",
    }


def point(stack: Stack, agent_id: str, url: str | None, failover_url: str | None = None) -> None:
    agents = stack.simulator.account.agents
    agent = agents.find(agent_id)
    assert agent is not None
    agents.put(replace(agent, webhook_url=url, webhook_failover_url=failover_url))


def url_of(stack: Stack, agent_id: str) -> tuple[str | None, str | None]:
    agent = stack.simulator.account.agents.find(agent_id)
    assert agent is not None
    return agent.webhook_url, agent.webhook_failover_url


def states(ran: Ran) -> dict[str, str]:
    return {each["id"]: each["state"] for each in json.loads(ran.stdout)}


def test_only_what_already_delivers_to_our_host_is_ours_unless_something_is_named(stack: Stack) -> None:
    point(stack, "acme_agent", f"{stack.host.url}/old")
    point(stack, "acme_alerts_agent", ELSEWHERE)
    by_host = run(stack, "plan", "--json")
    assert by_host.code == 1
    assert {each: states(by_host)[each] for each in AGENTS} == {
        "acme_agent": "drift",
        "acme_alerts_agent": "not managed",
        "acme_support_agent": "not managed",
    }
    named = states(run(stack, "plan", "--json", RINGBACK_MANAGE="acme_alerts_agent"))
    assert (named["acme_agent"], named["acme_alerts_agent"]) == ("not managed", "drift")
    assert set(states(run(stack, "plan", "--json", RINGBACK_MANAGE="*")).values()) == {"drift"}


def test_every_page_is_compared_and_nothing_is_changed(stack: Stack) -> None:
    agents = stack.simulator.account.agents
    [first, *_] = agents
    for number in range(45):
        agents.put(replace(first, agent_id=f"agent_{number}"))
    shown = run(stack, "plan", "--json", RINGBACK_MANAGE="*")
    assert len([each for each in states(shown) if "agent" in each]) == 48
    assert {each.method for each in stack.simulator.requests} == {"GET"}


def test_a_plan_shows_the_difference(stack: Stack) -> None:
    point(stack, "acme_agent", "https://user:secret@elsewhere.example/hook")
    shown = run(stack, "plan", RINGBACK_MANAGE="acme_agent")
    assert shown.code == 1
    assert "agent acme_agent (Acme): drift\n  - webhook_url https://•••@elsewhere.example/hook\n" in shown.stdout
    assert f"  + webhook_url {stack.host.url}/webhooks\n  - webhook_failover_url unset\n" in shown.stdout
    assert "agent acme_alerts_agent (Acme Alerts): not managed\n" in shown.stdout
    assert "secret" not in shown.stdout
    assert "user" not in shown.stdout


def test_a_plan_as_json_hides_the_login_and_token_of_the_declared_urls(stack: Stack) -> None:
    point(stack, "acme_agent", "https://user:secret@elsewhere.example/hook")
    declared = stack.host.url.replace("//", "//user:secret@") + "/webhooks"
    ours = {"RINGBACK_PUBLIC_URL": declared, "RINGBACK_FAILOVER_URL": f"{declared}/failover?token=secret"}
    shown = run_at(stack, "webhooks", "plan", "--json", RINGBACK_MANAGE="acme_agent", **ours)
    [row] = [each for each in json.loads(shown.stdout) if each["state"] == "drift"]
    masked = declared.replace("user:secret", "•••")
    assert [each["declared"] for each in row["differences"]] == [masked, f"{masked}/failover?token=•••"]
    assert ("secret" in shown.stdout, "user" in shown.stdout) == (False, False)


def test_a_profile_that_sends_unsigned_webhooks_of_an_older_format_differs(stack: Stack) -> None:
    profiles = stack.simulator.account.profiles
    [profile, *_] = profiles
    ours = {"webhook_url": f"{stack.host.url}/webhooks", "webhook_failover_url": f"{stack.host.url}/webhooks/failover"}
    profiles.put(profile.model_copy(update={**ours, "webhook_api_version": "1"}))
    shown = run(stack, "plan", "--json")
    [row] = [each for each in json.loads(shown.stdout) if each["state"] == "drift"]
    assert row["differences"] == [{"field": "webhook_api_version", "now": "1", "declared": "2"}]
    assert run(stack, "apply", "--yes").code == 0
    assert run(stack, "plan").code == 0
    assert profiles.known(profile.id).webhook_api_version == "2"


def test_toll_free_requests_are_listed_and_no_drift(stack: Stack) -> None:
    submit(stack, webhook_url=ELSEWHERE)
    submit(stack, webhook_url=f"{stack.host.url}/webhooks")
    shown = run(stack, "plan", "--json", RINGBACK_MANAGE="nothing")
    rows = [each for each in json.loads(shown.stdout) if each["kind"] == "toll_free_request"]
    assert [each["state"] for each in rows] == ["not managed", "in step"]
    assert "un-verifies" in run(stack, "plan").stdout
    assert run(stack, "plan").code == 0


def test_an_id_that_the_account_does_not_have_is_told(stack: Stack) -> None:
    shown = run(stack, "plan", RINGBACK_MANAGE="acme_agnet")
    assert (shown.code, "acme_agnet" in shown.stderr) == (1, True)


def test_apply_changes_what_is_ours_and_undo_puts_it_back(stack: Stack) -> None:
    point(stack, "acme_agent", ELSEWHERE, None)
    applied = run(stack, "apply", "--yes", RINGBACK_MANAGE="acme_agent")
    assert (applied.code, applied.stderr) == (0, "")
    assert url_of(stack, "acme_agent") == (f"{stack.host.url}/webhooks", f"{stack.host.url}/webhooks/failover")
    assert run(stack, "plan", RINGBACK_MANAGE="acme_agent").code == 0
    assert [each.path for each in asked(stack, "PATCH")] == ["/messaging/rcs/agents/acme_agent"]

    again = run(stack, "apply", "--yes", RINGBACK_MANAGE="acme_agent")
    assert (again.code, again.stdout) == (0, "Nothing of ours differs.\n")

    undone = run(stack, "undo", "--yes")
    assert (undone.code, "agent acme_agent put back" in undone.stdout) == (0, True)
    assert url_of(stack, "acme_agent") == (ELSEWHERE, None)
    assert run(stack, "undo", "--yes").stdout == "Nothing to put back.\n"


def test_without_consent_nothing_is_changed(stack: Stack) -> None:
    refused = run(stack, "apply", answer="n\n", RINGBACK_MANAGE="*")
    assert (refused.code, "Nothing was changed." in refused.stdout) == (1, True)
    assert run(stack, "apply", answer="", RINGBACK_MANAGE="*").code == 1
    assert asked(stack, "PATCH") == []
    assert run(stack, "apply", answer="y\n", RINGBACK_MANAGE="*").code == 0
    assert len(asked(stack, "PATCH")) == 6
    assert run(stack, "undo", answer="n\n").code == 1
    assert len(asked(stack, "PATCH")) == 6


@pytest.mark.parametrize(
    ("path", "said"),
    [("/healthz", "answers 405"), ("/nothing", "answers 404"), ("/webhooks", "RINGBACK_PROBE_KEY")],
    ids=["another page", "no page", "another deployment's key"],
)
def test_a_url_at_which_no_ringback_of_ours_answers_is_refused(stack: Stack, path: str, said: str) -> None:
    key = base64.b64encode(b"k" * 32).decode() if path == "/webhooks" else ""
    environment = {**urls(stack), "RINGBACK_PUBLIC_URL": stack.host.url + path, "RINGBACK_PROBE_KEY": key}
    refused = run_at(stack, "webhooks", "apply", "--yes", RINGBACK_MANAGE="*", **environment)
    assert (refused.code, said in refused.stderr) == (1, True), refused.stderr
    assert asked(stack, "PATCH") == []


def test_with_the_probe_key_a_signed_probe_is_answered(stack: Stack) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    with open_stack(stack.host, probe_key=key) as probed:
        assert run(probed, "apply", "--yes", RINGBACK_MANAGE="*", RINGBACK_PROBE_KEY=key).code == 0


def test_nobody_answering_and_plain_http_are_refused(stack: Stack) -> None:
    for url, said in [("http://127.0.0.1:9/webhooks", "does not answer"), ("http://hooks.example/webhooks", "https")]:
        refused = run_at(stack, "webhooks", "apply", "--yes", RINGBACK_PUBLIC_URL=url, RINGBACK_MANAGE="*")
        assert (refused.code, said in refused.stderr) == (1, True)
    assert asked(stack, "PATCH") == []


def test_one_refusal_is_told_and_leaves_out_nothing_else(stack: Stack) -> None:
    stack.simulator.add_fault(status=422, code="10015", method="PATCH", path="*/acme_alerts_agent")
    applied = run(stack, "apply", "--yes", RINGBACK_MANAGE=",".join(AGENTS))
    assert applied.code == 1
    assert "agent acme_alerts_agent not changed: 422" in applied.stderr
    assert url_of(stack, "acme_alerts_agent")[0] is None
    assert url_of(stack, "acme_support_agent")[0] == f"{stack.host.url}/webhooks"


def test_a_lost_answer_can_be_applied_again_and_still_be_undone(stack: Stack) -> None:
    point(stack, "acme_agent", ELSEWHERE)
    stack.simulator.add_fault(kind="reset", when="after", method="PATCH")
    assert run(stack, "apply", "--yes", RINGBACK_MANAGE="acme_agent").code == 1
    assert run(stack, "apply", "--yes", RINGBACK_MANAGE="acme_agent").code == 0
    assert run(stack, "undo", "--yes").code == 0
    assert url_of(stack, "acme_agent") == (ELSEWHERE, None)


def test_what_somebody_else_changed_since_is_put_back_only_by_force(stack: Stack) -> None:
    point(stack, "acme_agent", ELSEWHERE)
    run(stack, "apply", "--yes", RINGBACK_MANAGE="acme_agent")
    point(stack, "acme_agent", "https://third.example/hook")
    refused = run(stack, "undo", "--yes")
    assert (refused.code, "somebody else" in refused.stderr) == (1, True)
    assert url_of(stack, "acme_agent")[0] == "https://third.example/hook"
    assert run(stack, "undo", "--yes", "--force").code == 0
    assert url_of(stack, "acme_agent") == (ELSEWHERE, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RINGBACK_PUBLIC_URL": ""}, "RINGBACK_PUBLIC_URL is not set"),
        ({"RINGBACK_PUBLIC_URL": "hooks.example"}, "RINGBACK_PUBLIC_URL: must begin with https://"),
        ({"RINGBACK_FAILOVER_URL": "https://"}, "RINGBACK_FAILOVER_URL: names no host"),
        ({"RINGBACK_MANAGE": "a,,b"}, "RINGBACK_MANAGE: give * alone, or ids"),
        ({"RINGBACK_REPAIR_WEBHOOKS": "perhaps"}, "RINGBACK_REPAIR_WEBHOOKS"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_settings_are_named(stack: Stack, variables: dict[str, str], said: str) -> None:
    ended = run_process("webhooks", "plan", **{**environment_of(stack), **urls(stack), **variables})
    assert (ended.code, said in ended.stderr) == (2, True), ended.stderr
    assert stack.simulator.requests == []


def test_telnyx_refusing_is_told_in_a_line(stack: Stack) -> None:
    stack.simulator.add_fault(status=401, code="10009", title="Authentication failed")
    refused = run(stack, "plan")
    assert (refused.code, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("Telnyx: 401 · 10009 · Authentication failed")


def submit(stack: Stack, **changes: Any) -> str:
    """A toll-free request at the local Telnyx; answers its id."""
    import telnyx

    client = telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url)
    request = client.messaging_tollfree.verification.requests.create(**{**SUBMISSION, **changes})
    client.close()
    return str(request.id)


def campaign_with_url(stack: Stack, url: str) -> tuple[str, str]:
    """A brand and its campaign, whose webhooks go to this URL."""
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        campaign = provisioned(client, stack.simulator, webhook_url=url)
    brand = stack.simulator.account.campaigns.known(campaign).brand_id
    stored = stack.simulator.account.brands.known(brand)
    stack.simulator.account.brands.put(replace(stored, fields=stored.fields | {"webhookURL": url}))
    return brand, campaign


def test_brands_and_campaigns_are_pointed_here_and_back(stack: Stack) -> None:
    brand, campaign = campaign_with_url(stack, ELSEWHERE)
    shared = stack.simulator.share_campaign(webhook_url=ELSEWHERE).id
    account, manage = stack.simulator.account, {"RINGBACK_MANAGE": f"{brand},{campaign},{shared}"}

    def found() -> list[tuple[str | None, str | None]]:
        fields = [
            account.brands.known(brand).fields,
            *(account.campaigns.known(each).fields for each in (campaign, shared)),
        ]
        return [(each.get("webhookURL"), each.get("webhookFailoverURL")) for each in fields]

    planned = run(stack, "plan", **manage)
    assert planned.code == 1
    assert all(f"{kind} {each}" in planned.stdout for kind, each in (("brand", brand), ("campaign", campaign)))
    before = account.brands.known(brand).fields["displayName"]
    assert run(stack, "apply", "--yes", **manage).code == 0
    assert found() == [(urls(stack)["RINGBACK_PUBLIC_URL"], urls(stack)["RINGBACK_FAILOVER_URL"])] * 3
    assert account.brands.known(brand).fields["displayName"] == before
    assert {states(run(stack, "plan", "--json", **manage))[each] for each in (brand, campaign, shared)} == {"in step"}
    assert run(stack, "undo", "--yes", **manage).code == 0
    assert found() == [(ELSEWHERE, None)] * 3


def test_a_rejected_campaign_is_not_sent_back_into_review_for_its_urls(stack: Stack) -> None:
    _, campaign = campaign_with_url(stack, ELSEWHERE)
    stack.simulator.move_campaign(campaign, status="TELNYX_FAILED", shape=None)
    planned = run(stack, "plan", RINGBACK_MANAGE=campaign)
    assert (planned.code, f"campaign {campaign} (2FA Acme): not managed" in planned.stdout) == (0, True)
    assert "sends it back into review" in planned.stdout
    assert run(stack, "apply", "--yes", RINGBACK_MANAGE=campaign).stdout == "Nothing of ours differs.\n"
    assert stack.simulator.account.campaigns.known(campaign).status == "TELNYX_FAILED"


def test_a_key_that_may_not_read_10dlc_still_plans_the_others(stack: Stack) -> None:
    stack.simulator.add_fault(path="/10dlc/*", status=403, code="10010", times=None)
    assert set(AGENTS) <= set(states(run(stack, "plan", "--json")))
