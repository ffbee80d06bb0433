import json

import httpx
from toll_free_to_slack import SlackSettings, router, toll_free_to_slack

from service.testing import make_event

OWN = SlackSettings(slack_webhook_url="https://hooks.slack.example/services/T0/B0/made-up")


def post(run_handler, change, answer=200):
    """Run the handler for a change, beside a Slack that answers so. Return its end, and what was posted."""
    posts = []

    def take(request):
        posts.append(json.loads(request.content)["text"])
        return httpx.Response(answer)

    slack = httpx.AsyncClient(transport=httpx.MockTransport(take))
    event = make_event("toll_free_verification.status_changed", payload={"id": "request-1", **change})
    ran = run_handler(toll_free_to_slack, event, router=router, state=slack, own_settings=OWN)
    return ran, posts


def test_a_rejection_is_posted_with_its_reason(run_handler):
    change = {"status": "Rejected", "previous": "In Progress", "reason": "No opt-in", "business_name": "Acme"}
    ran, posts = post(run_handler, change)
    assert (ran.outcome, posts) == ("done", [":x: Acme: Rejected\n> No opt-in"])


def test_what_was_verified_before_ringback_came_is_no_news(run_handler):
    ran, posts = post(run_handler, {"status": "Verified"})
    assert (ran.reason, posts) == ("was_verified_before", [])


def test_slack_is_asked_again_after_its_failure(run_handler):
    ran, _ = post(run_handler, {"status": "Verified", "previous": "In Progress"}, answer=503)
    assert (ran.outcome, ran.reason) == ("waiting", "error")
