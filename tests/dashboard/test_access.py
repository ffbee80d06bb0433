"""Who may ask for what: every route, every role, every origin."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from typing import Any, ClassVar

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from service.dashboard import create_dashboard
from service.dashboard.pages import PAGES
from service.dashboard.routes import HEADERS, Page
from service.store.operators.audit_log import audit_entries
from service.store.store import Store
from tests.dashboard.conftest import OWN, PASSWORD, USERS, Open, sign_in
from tests.stack import Stack

CHANGES = [page for page in PAGES if "POST" in page.methods]
FORGED: list[dict[str, str] | list[tuple[str, str]]] = [
    {},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": ""},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1"},
    {"origin": "http://[::1"},
    {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    {"sec-fetch-site": "cross-site", "referer": "http://127.0.0.1/"},
]


def path_of(page: Page) -> str:
    return re.sub(r"\{[^}]*\}", "x", page.path)


def is_let_in(answer: httpx.Response) -> bool:
    """Whether the route itself answered: neither refused, nor sent to sign in."""
    return answer.status_code not in (401, 403) and "/sign-in" not in answer.headers.get("location", "")


@pytest.fixture
def clients(open_dashboard: Open) -> Iterator[dict[str, httpx.Client]]:
    """A signed-in client of each role, and one of nobody."""
    first = open_dashboard(dashboard_users=USERS)
    made = {"": first}
    with ExitStack() as opened:
        for name in ("vera", "otto", "rita", "both"):
            made[name] = opened.enter_context(copy_of(first))
            assert sign_in(made[name], name).status_code == 303
        yield made


def copy_of(client: httpx.Client, **options: Any) -> httpx.Client:
    """Another browser that looks at the same dashboard."""
    return httpx.Client(base_url=client.base_url, timeout=30, trust_env=False, verify=False, **options)


ROLES = {"": set(), "vera": {"viewer"}, "otto": {"viewer", "operator"}, "rita": {"viewer", "revealer"}}
ROLES["both"] = {"viewer", "operator", "revealer"}


def test_every_route_lets_in_its_role_and_nobody_else(clients: dict[str, httpx.Client]) -> None:
    for page, (name, client) in product(PAGES, clients.items()):
        if page.path == "/sign-out":
            continue
        answer = client.request(
            page.methods[0], path_of(page), headers=OWN, data={} if "POST" in page.methods else None
        )
        expected = page.role is None or page.role in ROLES[name]
        if page.path == "/sign-in":
            continue
        assert is_let_in(answer) == expected, (page, name, answer.status_code)


def test_a_forged_origin_changes_nothing(stack: Stack, clients: dict[str, httpx.Client]) -> None:
    refuse_changes(stack, {"both": clients["both"]}, FORGED[:1])


@pytest.mark.slow  # every route, visitor and forged origin
def test_no_forged_origin_changes_anything(stack: Stack, clients: dict[str, httpx.Client]) -> None:
    refuse_changes(stack, clients, FORGED)
    assert clients["vera"].get("/events").status_code == 200  # nobody was signed out


def refuse_changes(stack: Stack, clients: dict[str, httpx.Client], origins: Sequence[Any]) -> None:
    for page, (name, client), forged in product(CHANGES, clients.items(), origins):
        answer = client.post(
            path_of(page), headers=forged, data={"event_id": "x", "name": "vera", "password": PASSWORD}
        )
        assert answer.status_code == 403, (page, name, forged)
        assert "set-cookie" not in answer.headers
    assert stack.ask(audit_entries) == []


def test_an_equal_origin_is_enough_where_a_browser_sends_nothing_else(clients: dict[str, httpx.Client]) -> None:
    client = clients["vera"]
    origin = str(client.base_url).rstrip("/")
    assert client.post("/numbers", headers={"origin": origin}, data={"number": "+13125550001"}).status_code == 303


@pytest.mark.slow  # every route and method
def test_no_other_method_reaches_a_route(clients: dict[str, httpx.Client]) -> None:
    for page in PAGES:
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = clients["both"].request(method, path_of(page), headers=OWN)
            assert answer.status_code in (403, 405), (page, method)


def test_every_answer_bears_the_security_headers(clients: dict[str, httpx.Client]) -> None:
    for path in ("/", "/sign-in", "/nothing", "/static/dashboard.css", "/retry"):
        answer = clients["vera"].get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path


def test_without_users_only_this_machine_under_its_own_name_may_ask(open_dashboard: Open) -> None:
    client = open_dashboard()
    assert client.get("/").status_code == 200
    port = client.base_url.port
    for host in ("evil.example", f"evil.example:{port}", "", "127.0.0.1.evil.example", "[::1"):
        assert client.get("/", headers={"host": host}).status_code in (400, 403), host
    assert client.get("/", headers={"host": f"localhost:{port}"}).status_code == 200
    # A proxy on this machine passes on requests of others.
    for header in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):
        assert client.get("/", headers={header: "203.0.113.7"}).status_code == 403


def test_a_session_ends_with_its_sign_out_everywhere(clients: dict[str, httpx.Client]) -> None:
    client = clients["vera"]
    with copy_of(client, cookies=dict(client.cookies)) as thief:
        assert thief.get("/events").status_code == 200
        assert client.post("/sign-out", headers=OWN).status_code == 303
        assert thief.get("/events").status_code == 303


def test_two_dashboards_on_one_host_do_not_end_each_others_sessions(open_dashboard: Open) -> None:
    first = open_dashboard(dashboard_users=USERS)
    second = open_dashboard(dashboard_users=USERS, namespace="second")
    with copy_of(first) as browser:
        for each in (first, second):
            assert sign_in(browser, "vera", at=str(each.base_url).rstrip("/")).status_code == 303
        assert [browser.get(each.base_url.join("/events")).status_code for each in (first, second)] == [200, 200]
        browser.post(second.base_url.join("/sign-out"), headers=OWN)
        assert [browser.get(each.base_url.join("/events")).status_code for each in (first, second)] == [200, 303]


@pytest.mark.parametrize("token", ["x", "A" * 43, "../x", "0", "é" * 9])
def test_a_made_up_session_is_nobody(open_dashboard: Open, token: str) -> None:
    client = open_dashboard(dashboard_users=USERS)
    with copy_of(client, headers=[(b"cookie", f"ringback_session{client.base_url.port}={token}".encode())]) as guesser:
        assert guesser.get("/events").status_code == 303


def test_a_changed_password_ends_the_sessions_of_its_user(stack: Stack, open_dashboard: Open) -> None:
    before = open_dashboard(dashboard_users=USERS)
    sign_in(before, "vera")
    from service.security.dashboard_users import hash_password

    after = open_dashboard(dashboard_users=f"vera:viewer:{hash_password('another password')}")
    [token] = before.cookies.values()
    after.cookies.set(f"ringback_session{after.base_url.port}", token)
    assert after.get("/events").status_code == 303


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(open_dashboard: Open) -> None:
    client = open_dashboard(dashboard_users=USERS)
    cookie = sign_in(client, "vera").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie  # plain http on loopback


def test_attempts_to_sign_in_are_limited_by_user_whatever_the_password(open_dashboard: Open) -> None:
    client = open_dashboard(dashboard_users=USERS)
    answers = [sign_in(client, "vera", f"wrong password {each}").status_code for each in range(6)]
    assert answers == [401] * 5 + [429]
    assert sign_in(client, "vera").status_code == 429
    assert sign_in(client, "otto").status_code == 303


def test_attempts_are_limited_by_address_too(open_dashboard: Open) -> None:
    client = open_dashboard(dashboard_users=USERS)
    answers = [sign_in(client, f"user{each}", "x" * 12).status_code for each in range(21)]
    assert answers == [401] * 20 + [429]


def test_a_refused_address_locks_nobody_and_fills_nothing(stack: Stack, open_dashboard: Open) -> None:
    client = open_dashboard(dashboard_users=USERS)
    with copy_of(client, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as stranger:
        for each in range(20):
            assert sign_in(stranger, f"user{each}", "x" * 12).status_code == 401
        counted = stack.ask(names_of_attempts)
        refused = [sign_in(stranger, name, "x" * 12).status_code for name in ("otto",) * 6 + ("new", "newer")]
        assert refused == [429] * 8
        assert stack.ask(names_of_attempts) == counted
    assert sign_in(client, "otto").status_code == 303


def attempts_from(client: httpx.Client, *forwarded: str, name: str = "nobody") -> list[int]:
    """Sign in wrongly as one who must wait after 20 attempts does, and once more."""
    headers = [*OWN.items(), *(("x-forwarded-for", each) for each in forwarded)]
    data = {"password": "x" * 12}
    return [
        client.post("/sign-in", data={**data, "name": f"{name}{each}"}, headers=headers).status_code
        for each in range(21)
    ]


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (["203.0.113.7"], ["203.0.113.8"]),
        (["203.0.113.7:4711"], ["203.0.113.8:4711"]),
        (["198.51.100.1, 203.0.113.7, 10.0.0.9"], ["198.51.100.1, 203.0.113.8, 10.0.0.9"]),
        (["203.0.113.7", "10.0.0.9"], ["203.0.113.8", "10.0.0.9"]),
        (["2001:db8::7"], ["[2001:db8::8]:4711"]),
    ],
    ids=["one proxy", "with ports", "two proxies", "two headers", "IPv6"],
)
def test_an_address_behind_a_proxy_waits_alone(open_dashboard: Open, first: list[str], other: list[str]) -> None:
    client = open_dashboard(dashboard_users=USERS, dashboard_proxy_peers="127.0.0.1,10.0.0.0/8")
    assert attempts_from(client, *first)[-2:] == [401, 429]
    assert attempts_from(client, *other, name="other")[0] == 401


@pytest.mark.parametrize("made_up", ["203.0.113.{}", "198.51.100.{}, 203.0.113.7", "198.51.100.{}, unknown", "{}.{}"])
def test_made_up_addresses_do_not_evade_the_limit(open_dashboard: Open, made_up: str) -> None:
    peers = "10.0.0.0/8" if made_up.startswith("203") else "127.0.0.1"
    client = open_dashboard(dashboard_users=USERS, dashboard_proxy_peers=peers)
    answers = []
    for each in range(21):
        headers = {**OWN, "x-forwarded-for": made_up.format(each, each)}
        data = {"name": f"user{each}", "password": "x" * 12}
        answers.append(client.post("/sign-in", data=data, headers=headers).status_code)
    assert answers == [401] * 20 + [429]


def test_those_who_sign_in_do_not_count_against_their_address(open_dashboard: Open) -> None:
    client = open_dashboard(dashboard_users=USERS)
    for name in ("vera", "otto", "rita", "both") * 6:
        with copy_of(client) as browser:
            assert sign_in(browser, name).status_code == 303


async def names_of_attempts(store: Store) -> set[bytes]:
    return {key async for key in store.redis.scan_iter(match=store.keys.sign_ins("*"), count=1000)}


@pytest.mark.parametrize(
    "after",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example", ""],
)
def test_signing_in_leads_to_no_other_site(open_dashboard: Open, after: str) -> None:
    client = open_dashboard(dashboard_users=USERS)
    form = {"name": "vera", "password": PASSWORD, "next": after}
    assert client.post("/sign-in", data=form, headers=OWN).headers["location"] == "/"


def test_signing_in_goes_on_to_the_page_that_was_asked_for(open_dashboard: Open) -> None:
    client = open_dashboard(dashboard_users=USERS)
    asked = client.get("/events?state=dead")
    form = {"name": "vera", "password": PASSWORD, "next": httpx.URL(asked.headers["location"]).params["next"]}
    assert client.post("/sign-in", data=form, headers=OWN).headers["location"] == "/events?state=dead"


class TestProxy:
    """A proxy that says who asks."""

    users = "alice@example.com:operator:proxy *:viewer:proxy"
    settings: ClassVar[dict[str, Any]] = {"dashboard_proxy_header": "X-Forwarded-User", "dashboard_users": users}

    def test_is_believed_if_it_is_a_named_peer(self, open_dashboard: Open) -> None:
        client = open_dashboard(**self.settings, dashboard_proxy_peers="127.0.0.0/8")
        assert client.get("/retry?event_id=x", headers={"x-forwarded-user": "alice@example.com"}).status_code == 200
        assert client.get("/retry?event_id=x", headers={"x-forwarded-user": "bob"}).status_code == 403
        assert client.get("/events", headers={"x-forwarded-user": "bob"}).status_code == 200

    def test_is_not_believed_from_elsewhere(self, open_dashboard: Open) -> None:
        client = open_dashboard(**self.settings, dashboard_proxy_peers="10.0.0.0/8")
        assert client.get("/events", headers={"x-forwarded-user": "alice@example.com"}).status_code == 401

    @pytest.mark.parametrize("names", [["*"], [""], ["alice@example.com", "bob"], ["a b"]])
    def test_names_nobody_by_what_is_no_name(self, open_dashboard: Open, names: list[str]) -> None:
        client = open_dashboard(**self.settings, dashboard_proxy_peers="127.0.0.1")
        headers = [("x-forwarded-user", name) for name in names]
        assert client.get("/events", headers=headers).status_code == 401

    def test_does_not_stand_in_for_a_user_with_a_password(self, open_dashboard: Open) -> None:
        client = open_dashboard(
            dashboard_proxy_header="X-Forwarded-User", dashboard_proxy_peers="127.0.0.1", dashboard_users=USERS
        )
        assert client.get("/events", headers={"x-forwarded-user": "otto"}).status_code == 303


@pytest.mark.parametrize("prefix", ["/ops/ringback", ""])
def test_the_dashboard_works_under_a_path_of_a_proxy_that_takes_it_off_or_not(
    open_dashboard: Open, prefix: str
) -> None:
    client = open_dashboard(dashboard_root_path="/ops/ringback", dashboard_users=USERS)
    asked = client.get(f"{prefix}/events")
    assert asked.headers["location"].startswith("/ops/ringback/sign-in?next=%2Fevents")
    signed = client.post(f"{prefix}/sign-in", data={"name": "vera", "password": PASSWORD}, headers=OWN)
    assert "path=/ops/ringback" in signed.headers["set-cookie"].lower()
    cookie = {"cookie": "; ".join("=".join(each) for each in signed.cookies.items())}
    page = client.get(f"{prefix}/", headers=cookie).text
    links = re.findall(r'(?:href|src|action)="(/[^"]*)"', page)
    assert links
    assert all(link.startswith("/ops/ringback/") for link in links)


def test_the_dashboard_is_mounted_in_an_application_of_another(stack: Stack) -> None:
    async def look() -> httpx.Response:
        dashboard = create_dashboard(stack.settings)
        transport = httpx.ASGITransport(Starlette(routes=[Mount("/ops", dashboard)]), client=("127.0.0.1", 1))
        async with (
            dashboard.router.lifespan_context(dashboard),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:80") as client,
        ):
            return await client.get("/ops/events")

    answer = asyncio.run(look())
    assert answer.status_code == 200
    assert 'href="/ops/issues"' in answer.text
    assert 'aria-current="page">Events' in answer.text
