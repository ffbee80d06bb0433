"""The pages: what they show, what they change, and what they keep to themselves."""

import re
import time
import tracemalloc
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

from service import clock
from service.dashboard.pages import events, issues, messages, numbers
from service.dashboard.rendering import static_file
from service.events import Event
from service.events.consent import ConsentChange
from service.outcome import Dead
from service.routing import Context, Router
from service.store.effects.blocks import paused
from service.store.facts.consent import consent_of, record_consent
from service.store.inbox.search import EventFilter
from service.store.operators.audit_log import Actor, AuditEntry, audit_entries
from service.store.operators.bulk_jobs import JobRequest, create_job
from service.store.operators.issues import read_issues
from service.store.store import Store
from service.testing.samples import sample
from tests.dashboard.conftest import OWN, USERS, Open, sign_in
from tests.stack import Stack
from tests.telnyx_events import envelope, received_sms
from tests.waiting import wait_for

NUMBER = "+13125550147"
TEXT = "the secret of the message"


def failing_router() -> Router:
    router = Router()

    @router.on("shop.*")
    async def ship(event: Event, ctx: Context) -> None:
        if event.type == "shop.broken":
            raise Dead("request", "the shop answered 400")

    return router


@pytest.fixture(autouse=True)
def patient_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists look through everything, however slow the machine is."""
    for module in (events, issues, messages, numbers):
        monkeypatch.setattr(module, "SECONDS", 60.0)


@pytest.fixture
def operator(open_dashboard: Open) -> httpx.Client:
    client = open_dashboard(dashboard_users=USERS, handlers="handlers:router")
    assert sign_in(client, "both").status_code == 303
    return client


def shop_event(kind: str, number: int = 1) -> dict[str, Any]:
    identity = f"5d1c0000-0000-4000-8000-{number:012d}"
    return {"data": {"record_type": "event", "event_type": kind, "id": identity, "payload": {"n": number}}}


def dead_event(stack: Stack, number: int = 1) -> str:
    body = shop_event("shop.broken", number)
    stack.deliver(body)
    assert stack.ended(body).state == "dead"
    return str(body["data"]["id"])


def log_of(stack: Stack) -> list[AuditEntry]:
    return stack.ask(audit_entries)


def test_a_dead_event_is_retried_from_its_page_and_on_record(stack: Stack, operator: httpx.Client) -> None:
    stack.start_worker(failing_router())
    event_id = dead_event(stack)
    page = operator.get(f"/events/{event_id}").text
    assert "the shop answered 400" in page
    question = operator.get("/retry", params={"event_id": event_id})
    assert "Retry this event?" in question.text
    before = stack.recorded(event_id)
    answer = operator.post("/retry", data={"event_id": event_id}, headers=OWN)
    assert answer.headers["location"] == f"/events/{event_id}?notice=retried&number=1"
    stack.when(event_id, lambda record: len(record.handlers["ship"].runs) > len(before.handlers["ship"].runs))
    (entry,) = log_of(stack)
    assert (entry.actor, entry.by, entry.action) == ("both", "dashboard", "dead retry")
    assert entry.about["event_id"] == event_id


def test_a_question_changes_nothing(stack: Stack, operator: httpx.Client) -> None:
    stack.start_worker(failing_router())
    event_id = dead_event(stack)
    for path in ("/retry", "/drop", "/replay", "/settle", "/pause", "/probe", "/opt-out"):
        assert operator.get(path, params={"event_id": event_id}).status_code == 200
    assert stack.recorded(event_id).state == "dead"
    assert log_of(stack) == []


def test_a_dead_event_is_dropped_and_an_open_or_unknown_one_stays(stack: Stack, operator: httpx.Client) -> None:
    stack.start_worker(failing_router())
    event_id = dead_event(stack)
    assert "dropped" in operator.post("/drop", data={"event_id": event_id}, headers=OWN).headers["location"]
    assert stack.record(event_id) is None
    assert "unchanged" in operator.post("/drop", data={"event_id": event_id}, headers=OWN).headers["location"]
    assert operator.post("/drop", data={"x": ""}, headers=OWN).status_code == 400


def test_an_issue_is_acknowledged_resolved_and_reopened_by_a_death(stack: Stack, operator: httpx.Client) -> None:
    stack.start_worker(failing_router())
    dead_event(stack)
    (issue,) = stack.ask(read_issues)
    assert "ship" in operator.get("/issues").text
    for word, state in (("acknowledge", "acknowledged"), ("resolve", "resolved"), ("ignore", "ignored")):
        operator.post(f"/{word}", data={"issue": issue.id}, headers=OWN)
        (found,) = stack.ask(read_issues)
        assert (found.state, found.actor) == (state, "both")
    operator.post("/resolve", data={"issue": issue.id}, headers=OWN)
    assert "No event is dead for a reason that wants somebody" in operator.get("/issues").text
    dead_event(stack, 2)
    assert '<span class="badge reopened">' in operator.get("/issues").text
    assert [each.action for each in log_of(stack)][-1] == "issues acknowledge"


def test_all_events_of_an_issue_are_retried_by_a_job_and_no_others(stack: Stack, operator: httpx.Client) -> None:
    router = Router()
    broken = True

    @router.on("shop.*")
    async def ship(event: Event, ctx: Context) -> None:
        if event.type == "shop.other":
            raise Dead("template", "another cause")
        if broken:
            raise Dead("request", "the shop answered 400")

    stack.start_worker(router)
    ids = [dead_event(stack, number) for number in range(1, 31)]
    other = shop_event("shop.other", 99)
    stack.deliver(other)
    untouched = stack.ended(other)
    issue = next(each for each in stack.ask(read_issues) if each.reason == "request")
    assert "Retry 30 events?" in operator.get("/retry-issue", params={"issue": issue.id}).text
    broken = False
    path = operator.post("/retry-issue", data={"issue": issue.id}, headers=OWN).headers["location"].partition("?")[0]
    wait_for(lambda: '<span class="badge done">' in operator.get(path).text)
    for event_id in ids:
        stack.when(event_id, lambda record: record.state == "done")
    assert stack.recorded(other["data"]["id"]) == untouched
    assert "30 of 30" in operator.get("/jobs").text
    assert log_of(stack)[0].about == {"handler": "ship", "reason": "request", "events": 30}


def test_an_event_that_dies_after_the_question_is_not_dropped_with_the_others(
    stack: Stack, operator: httpx.Client
) -> None:
    stack.start_worker(failing_router())
    counted = dead_event(stack, 1)
    (issue,) = stack.ask(read_issues)
    question = operator.get("/drop-issue", params={"issue": issue.id}).text
    assert "Forget 1 events for good?" in question
    later = dead_event(stack, 2)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', question))
    path = operator.post("/drop-issue", data=form, headers=OWN).headers["location"].partition("?")[0]
    wait_for(lambda: '<span class="badge done">' in operator.get(path).text)
    assert (stack.record(counted) is None, stack.record(later) is None) == (True, False)


def test_all_events_of_a_filter_are_counted_then_replayed_by_a_job_and_no_others(
    stack: Stack, operator: httpx.Client
) -> None:
    router, ran = Router(), []

    @router.on("shop.*")
    async def ship(event: Event, ctx: Context) -> None:
        ran.append(event.id)

    stack.start_worker(router)
    for number in range(1, 13):
        stack.deliver(shop_event("shop.paid" if number > 2 else "shop.other", number))
    wait_for(lambda: len(ran) == 12)
    wait_for(lambda: "shop.paid" not in operator.get("/events?state=open").text)
    link = re.search(r'href="(/replay-events[^"]*)"', operator.get("/events?type=shop.paid").text)
    assert link is not None
    assert "of the type shop.paid?" in operator.get(link[1].replace("&amp;", "&")).text
    form = {"type": "shop.paid", "only": "every handler"}
    path = operator.post("/replay-events", data=form, headers=OWN).headers["location"].partition("?")[0]
    wait_for(lambda: "<strong>10 events</strong> are processed again if you go on" in operator.get(path).text)
    assert len(ran) == 12
    job = path.rpartition("/")[2]
    assert "Replay 10 events?" in operator.get("/start-job", params={"job": job}).text
    operator.post("/start-job", data={"job": job}, headers=OWN)
    wait_for(lambda: '<span class="badge done">' in operator.get(path).text)
    wait_for(lambda: len(ran) == 22)
    assert sorted(map(ran.count, set(ran))) == [1, 1] + [2] * 10
    started, counted = log_of(stack)
    assert counted.about == {"count": "all events of the type shop.paid", "handler": "every handler"}
    assert started.about == {"job_id": job, "replay": "all events of the type shop.paid", "events": 10}


def test_a_replay_with_one_handler_counts_the_events_of_its_types_alone(stack: Stack, operator: httpx.Client) -> None:
    stack.start_worker(Router())
    mine, other = sample("sms.received"), shop_event("shop.paid")
    for each in (mine, other):
        stack.deliver(each)
        assert stack.ended(each).state == "ignored"
    path = operator.post("/replay-events", data={"only": "consent"}, headers=OWN).headers["location"].partition("?")[0]
    wait_for(lambda: "<strong>1 events</strong> are processed again if you go on" in operator.get(path).text)
    assert "1: the handler is not subscribed to its type" in operator.get(path).text


def test_a_replay_of_a_wrong_filter_or_an_unknown_handler_is_refused(operator: httpx.Client) -> None:
    wrong = [{"type": "x", "only": "sms_falback"}, {"since": "yesterday"}, {"issue": "0" * 16}]
    for form in (*wrong, {"since": "110000000000d", "only": "every handler"}):
        assert operator.post("/replay-events", data=form, headers=OWN).status_code in (400, 404), form
    assert "No job was begun" in operator.get("/jobs").text


def test_the_timeline_names_who_retried_and_replayed_and_a_dropped_event_who_dropped_it(
    stack: Stack, operator: httpx.Client
) -> None:
    stack.start_worker(failing_router())
    event_id = dead_event(stack)
    for path, word in (("/retry", "retried by both: ship (request)"), ("/replay", "replayed by both")):
        operator.post(path, data={"event_id": event_id}, headers=OWN)
        wait_for(lambda: '<span class="badge dead">dead</span></dd>' in operator.get(f"/events/{event_id}").text)
        assert word in operator.get(f"/events/{event_id}").text
    operator.post("/drop", data={"event_id": event_id}, headers=OWN)
    gone = operator.get(f"/events/{event_id}")
    assert gone.status_code == 404
    assert "both dropped this event on " in gone.text


def test_a_job_is_cancelled_and_resumed_from_its_page(stack: Stack, operator: httpx.Client) -> None:
    stack.start_worker(failing_router())
    dead_event(stack)
    request = JobRequest("drop", EventFilter(died="ship", reason="request"))
    job = stack.ask(lambda store: create_job(store, request, Actor("otto", "dashboard")))
    operator.post("/cancel-job", data={"job": job}, headers=OWN)
    assert '<span class="badge cancelled">' in operator.get(f"/jobs/{job}").text
    operator.post("/resume-job", data={"job": job}, headers=OWN)
    wait_for(lambda: '<span class="badge done">' in operator.get(f"/jobs/{job}").text)
    assert [each for each in stack.ask(read_issues) if each.count] == []


def test_a_handler_is_paused_and_resumed(stack: Stack, operator: httpx.Client) -> None:
    operator.post("/pause", data={"handler": "sms_falback"}, headers=OWN)
    assert stack.ask(paused) == set()  # misspelt
    operator.post("/pause", data={"handler": "sms_fallback"}, headers=OWN)
    assert stack.ask(paused) == {"sms_fallback"}
    assert "sms_fallback" in operator.get("/blocks").text
    operator.post("/resume", data={"handler": "sms_fallback"}, headers=OWN)
    assert stack.ask(paused) == set()


def test_a_number_is_opted_out_and_in_without_standing_in_a_url(stack: Stack, operator: httpx.Client) -> None:
    found = operator.post("/numbers", data={"number": "+1 (312) 555-0147"}, headers=OWN).headers["location"]
    assert re.fullmatch(r"/numbers/[\w-]{40,}", found)
    assert found == operator.post("/numbers", data={"number": NUMBER}, headers=OWN).headers["location"]
    token = found.rpartition("/")[2]
    assert operator.post("/opt-out", data={"token": token}, headers=OWN).status_code == 303
    assert stack.ask(lambda store: consent_of(store, NUMBER)).opted_out
    page = operator.get(found).text
    assert "Opted out" in page
    assert "+1312•••0147" in page
    operator.post("/opt-in", data={"token": token}, headers=OWN)
    assert not stack.ask(lambda store: consent_of(store, NUMBER)).opted_out
    assert {each.about["number"] for each in log_of(stack)} == {"+1312•••0147"}
    for wrong in ("13125550147", "hello", "", "+1"):
        assert operator.post("/opt-out", data={"number": wrong}, headers=OWN).status_code == 400


def test_an_opt_out_holds_for_each_spelling_of_a_number_and_an_opt_in_lifts_it(
    stack: Stack, operator: httpx.Client
) -> None:
    written = operator.post("/numbers", data={"number": "+44 0171 123 4567"}, headers=OWN).headers["location"]
    token = written.rpartition("/")[2]
    operator.post("/opt-out", data={"token": token}, headers=OWN)
    assert "Opted out" in operator.get(written).text
    assert stack.ask(lambda store: consent_of(store, "+441711234567")).opted_out
    assert "opted_in" in operator.post("/opt-in", data={"token": token}, headers=OWN).headers["location"]
    assert not stack.ask(lambda store: consent_of(store, "+441711234567")).opted_out
    assert "Opted out" not in operator.get(written).text


@pytest.mark.parametrize("typed", ["+44 (0)20 7946 0000", "+44 020 7946 0000", "+442079460000"])
def test_a_number_is_found_in_each_of_its_spellings(stack: Stack, operator: httpx.Client, typed: str) -> None:
    number = "+442079460000"
    stack.deliver(envelope("message.received", received_sms(number, "STOP")))
    found = operator.post("/numbers", data={"number": typed}, headers=OWN, follow_redirects=True).text
    assert "+4420•••0000" in found
    assert "inbound" in found
    assert "Opted out</strong>" in found


def test_a_stop_that_comes_while_the_question_stands_is_not_lifted(stack: Stack, operator: httpx.Client) -> None:
    stack.ask(lambda store: record_consent(store, [ConsentChange(NUMBER, "out", 1_790_000_000.0)], now=0))
    found = operator.post("/numbers", data={"number": NUMBER}, headers=OWN).headers["location"]
    question = operator.get("/opt-in", params={"token": found.rpartition("/")[2]}).text
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', question))
    later = ConsentChange(NUMBER, "out", clock.now() + 0.01)
    stack.ask(lambda store: record_consent(store, [later], now=0))
    assert "opted_out_again" in operator.post("/opt-in", data=form, headers=OWN).headers["location"]
    assert stack.ask(lambda store: consent_of(store, NUMBER)).opted_out
    question = operator.get("/opt-in", params={"token": form["token"]}).text
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', question))
    assert "opted_in" in operator.post("/opt-in", data=form, headers=OWN).headers["location"]
    assert not stack.ask(lambda store: consent_of(store, NUMBER)).opted_out


def test_opt_outs_come_by_their_time_in_pages_without_a_gap_or_a_double(stack: Stack, operator: httpx.Client) -> None:
    now = 1_790_000_000.0
    numbers = [f"+1312555{place:04d}" for place in range(250)]
    words = [ConsentChange(number, "out", now + place // 2, "message") for place, number in enumerate(numbers)]
    stack.ask(lambda store: record_consent(store, words, now=now))
    back = [ConsentChange(numbers[7], "in", now + 999, "message")]
    seen: list[str] = []
    path = "/optouts"
    while path:
        page = operator.get(path).text
        seen += re.findall(r'class="row" href="/numbers/[^"]*">([^<]*)</a>', page)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        path = following[1] if following else ""
        stack.ask(lambda store: record_consent(store, back, now=now))
    assert "249 in all" in operator.get("/optouts").text
    assert len(seen) == 249
    assert len(set(seen)) == 249
    assert seen[0] in ("+1312•••0249", "+1312•••0248")
    assert seen[-1] in ("+1312•••0000", "+1312•••0001")
    assert "+1312•••0007" not in seen


def test_histograms_of_waits_and_runs_have_a_text_for_those_who_do_not_see_them(
    stack: Stack, operator: httpx.Client
) -> None:
    minute = int(time.time() // 60)
    counts = orjson.dumps({"p1": 3, "p16": 1, "r4": 2, "r8": 2})

    async def keep(store: Store) -> None:
        for each in range(minute, minute + 2):
            await store.redis.hset(store.keys.handler_times(f"minute:{each}"), mapping={"ship": counts})  # type: ignore[misc]

    stack.ask(keep)
    for path, whose in (("/workers", ""), ("/handlers/ship", "Its ")):
        page = operator.get(path).text
        waits = f"{whose or 'E'}{'e' if whose else ''}vents by how long they waited for a worker"
        assert re.search(f'aria-label="{waits}: (3|6) within 2 ms, (1|2) longer"', page), path
        assert re.search('uns by how long they took: (2|4) within 25 ms, (2|4) within 500 ms"', page), path
    assert "No handler has run" not in operator.get("/workers").text
    assert ": none" in operator.get("/handlers/unknown").text


def test_a_token_of_another_deployment_or_a_made_up_one_is_no_number(operator: httpx.Client) -> None:
    for token in ("x", "A" * 70, "%2e%2e", "+13125550147"):
        assert operator.get(f"/numbers/{token}").status_code == 404


def test_a_reveal_is_on_record_before_it_is_shown(stack: Stack, operator: httpx.Client) -> None:
    body = sample("sms.received", number=NUMBER)
    body["data"]["payload"]["text"] = TEXT
    stack.deliver(body)
    event_id = body["data"]["id"]
    assert TEXT not in operator.get(f"/events/{event_id}").text
    shown = operator.post("/reveal", data={"event_id": event_id}, headers=OWN)
    assert TEXT in shown.text
    assert NUMBER in shown.text
    (entry,) = log_of(stack)
    assert (entry.action, entry.about) == ("events show", {"event_id": event_id, "reveal": True})


def test_nothing_is_revealed_where_it_cannot_be_recorded(
    stack: Stack, operator: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = sample("sms.received", number=NUMBER)
    body["data"]["payload"]["text"] = TEXT
    stack.deliver(body)
    stack.ask(lambda store: store.redis.set(store.keys.audit_log, "no stream"))
    answer = operator.post("/reveal", data={"event_id": body["data"]["id"]}, headers=OWN)
    assert answer.status_code == 503
    assert TEXT not in answer.text


def test_a_message_page_shows_its_recipients_and_events(stack: Stack, operator: httpx.Client) -> None:
    body = sample("rcs.failed", number=NUMBER)
    stack.deliver(body)
    page = operator.get(f"/messages/{quote(body['data']['payload']['id'], safe='')}").text
    assert "+1312•••0147" in page
    assert "delivery_failed" in page
    assert body["data"]["id"] in page


def test_an_id_of_any_printable_characters_has_a_page(stack: Stack, operator: httpx.Client) -> None:
    for identity in ("a/b?c#d%e", "../../x", "x" * 128, "<script>alert(1)</script>", "q\"'&"):
        body = shop_event("shop.fine")
        body["data"]["id"] = identity
        assert stack.deliver(body).status_code == 200
        page = operator.get(f"/events/{quote(identity, safe='')}")
        assert page.status_code == 200, identity
        assert "<script>alert" not in page.text


def test_the_list_pages_through_events_of_one_moment_without_a_gap_or_a_double(
    stack: Stack, operator: httpx.Client
) -> None:
    ids = [f"5d1c0000-0000-4000-8000-{number:012d}" for number in range(130)]
    for number in range(130):
        stack.deliver(shop_event("shop.fine", number))

    async def same_moment(store: Any) -> None:
        await store.redis.zadd(store.keys.events, dict.fromkeys(ids[:120], 1_790_000_000_000))

    stack.ask(same_moment)
    seen: list[str] = []
    path = "/events"
    while path:
        page = operator.get(path).text
        seen += re.findall(r'<small class="id">([^<]*)</small>', page)
        following = re.search(r'rel="next" href="([^"]*)"', page)
        path = "/events" + following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == 130
    assert set(seen) == set(ids)


def test_filters_stand_in_the_url_and_say_what_is_wrong(
    stack: Stack, operator: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine needs longer for a page than it may take.
    monkeypatch.setattr("service.dashboard.pages.events.SECONDS", 10)
    stack.start_worker(failing_router())
    dead_event(stack)
    stack.deliver(shop_event("shop.fine", 2))
    stack.ended(shop_event("shop.fine", 2))
    assert "shop.broken" in operator.get("/events?state=dead&handler=ship&reason=request").text
    assert "shop.fine" not in operator.get("/events?state=dead").text
    assert "No event matches" in operator.get("/events?type=shop.none").text
    wrongs = ["state=gone", "since=yesterday", "attempts=many", "number=x", "issue=x", "type=%00", "attempts=0"]
    for wrong in (*wrongs, "since=30000d", "since=110000000000d", f"since={'9' * 100}d"):
        page = operator.get(f"/events?{wrong}")
        assert page.status_code == 200
        assert 'role="alert"' in page.text, wrong


@pytest.mark.parametrize(
    "path",
    [
        "/issues?from=" + "1" * 5000,
        "/audit?before=\u0661-\u0661",
        "/audit?before=99999999999999999999-1",
        "/audit?before=1-99999999999999999999",
        "/optouts?after=1.99999999999999999999",
        "/optouts?after=99999999999999999999.1",
        "/optouts?after=999999999999999.999999999999999",
        "/events?after=999999999999999.999999999999999",
        "/events?after=\u0661.\u0661",
        "/audit?before=9999999999999999999-9999999999999999999",
    ],
)
def test_a_place_that_no_list_has_gives_a_list(operator: httpx.Client, path: str) -> None:
    assert operator.get(path).status_code == 200


def test_handlers_that_did_not_load_once_are_loaded_again(
    open_dashboard: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    client = open_dashboard(handlers="mended_handlers:router")
    assert "nightly" not in client.get("/pause").text
    code = "from service import Router\nrouter = Router()\n@router.on('test.x')\nasync def nightly(event, ctx): ...\n"
    (tmp_path / "mended_handlers.py").write_text(code)
    assert "nightly" in client.get("/pause").text


def test_a_live_page_sends_its_part_when_it_changes_and_ends_with_the_session(
    stack: Stack, operator: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.dashboard import live

    monkeypatch.setattr(live, "INTERVAL", 0.05)
    with operator.stream("GET", "/events", headers={"accept": "text/event-stream"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: part"
        stack.deliver(shop_event("shop.fresh"))
        assert next(line for line in lines if "shop.fresh" in line)
        operator.post("/sign-out", headers=OWN)
        assert list(lines) is not None  # it ends


def test_a_page_whose_redis_is_gone_says_so(own_stack: Stack) -> None:
    from tests.dashboard.conftest import serving_dashboard

    with serving_dashboard(own_stack) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        assert client.get("/").status_code == 200
        own_stack.ask(lambda store: store.redis.shutdown(nosave=True))
        answer = client.get("/")
        assert answer.status_code == 503
        assert "works again as soon as Redis does" in answer.text


def test_the_first_load_is_small(operator: httpx.Client) -> None:
    pages = ["/", "/static/dashboard.css", "/static/dashboard.js", "/static/ringback.svg"]
    loaded = 0
    for path in pages:
        with operator.stream("GET", path, headers={"accept-encoding": "gzip"}) as answer:
            loaded += len(b"".join(answer.iter_raw()))
    assert loaded <= 60_000
    script = operator.get("/static/dashboard.js").text
    assert len(script.splitlines()) <= 250


def test_made_up_names_of_static_files_take_no_memory() -> None:
    static_file("dashboard.css")
    tracemalloc.start()
    try:
        for number in range(1000):
            assert static_file(f"{number:08000}.css") is None
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


def test_no_page_names_a_secret_of_the_settings(stack: Stack, open_dashboard: Open) -> None:
    client = open_dashboard(dashboard_users=USERS, forward_secret="whsec_" + "c2VjcmV0" * 6)
    sign_in(client, "both")
    for path in ("/", "/health", "/workers", "/blocks", "/audit", "/registrations"):
        page = client.get(path).text
        assert "KEY-for-tests" not in page
        assert "whsec_" not in page
        assert "$argon2id" not in page
