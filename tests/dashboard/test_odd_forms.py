"""A person's own page may send any query and any form: no 500, and only what was asked for is changed."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import httpx
import hypothesis
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings

from service import dashboard
from service.dashboard.pages import PAGES
from service.dashboard.routes import Page
from service.store.inbox.audit import audit
from tests.dashboard.conftest import OWN, USERS, Open, sign_in
from tests.handlers.odd_webhooks import TEXTS
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, received_sms

NUMBER = "+13125550147"
_SOURCES = "".join(
    each.read_text() for each in Path(dashboard.__path__[0]).rglob("*") if each.suffix in (".py", ".html")
)
FIELDS = sorted(set(re.findall(r'(?:name=|get\(|query\(|\[)"([a-z_]+)"', _SOURCES)))
"""The names of parameters and of fields of forms, and some more words in quotes."""
WORDS = st.one_of(
    st.sampled_from([each.encode(errors="replace").decode() for each in TEXTS]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.integers(-(2**70), 2**70).map(str),
)
PAIRS = st.lists(st.tuples(st.sampled_from(FIELDS) | WORDS, WORDS), max_size=6)
LEFT_OUT = {"/sign-out"}


def path_of(page: Page, parts: list[str]) -> str:
    """The path of a page, with words for its parameters."""
    left = iter(parts)
    return re.sub(r"\{[^}]*\}", lambda _: quote(next(left), safe="") or "x", page.path)


def ask(client: httpx.Client, page: Page, method: str, path: str, pairs: list[tuple[str, str]]) -> int:
    """The status of an answer. A page of events stays open, and its head is enough."""
    url = httpx.URL(path, params=pairs[:3])
    data: Mapping[str, list[str]] | None = None
    if method == "POST":
        data = {name: [value for key, value in pairs if key == name] for name, _ in pairs}
    with client.stream(method, url, data=data, headers=OWN) as answer:
        return answer.status_code


def run(stack: Stack, client: httpx.Client, *, examples: int, seed: int) -> None:
    known = [envelope("message.received", received_sms(NUMBER, "Hello")), envelope("test.kept", {})]
    known.append(envelope("message.finalized", finalized_rcs("delivery_failed", NUMBER)))
    for body in known:
        assert stack.deliver(body).status_code == 200
    ids = st.sampled_from([body["data"]["id"] for body in known])
    assert sign_in(client, "both").status_code == 303
    pages = st.sampled_from([each for each in PAGES if each.path not in LEFT_OUT])
    chosen = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    @hypothesis.seed(seed)
    @chosen
    @hypothesis.given(page=pages, parts=st.lists(ids | WORDS, min_size=3, max_size=3), pairs=PAIRS, data=st.data())
    def requests(page: Page, parts: list[str], pairs: list[tuple[str, str]], data: st.DataObject) -> None:
        method = data.draw(st.sampled_from(page.methods))
        assert ask(client, page, method, path_of(page, parts), pairs) < 500, (method, page.path)

    requests()
    assert stack.ask(audit).clean
    assert all(stack.record(body["data"]["id"]) is not None for body in known)


@pytest.mark.slow
def test_odd_queries_and_forms_get_no_500(stack: Stack, open_dashboard: Open) -> None:
    run(stack, open_dashboard(dashboard_users=USERS), examples=40, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_odd_queries_and_forms_get_no_500(stack: Stack, open_dashboard: Open, seed: int) -> None:
    run(stack, open_dashboard(dashboard_users=USERS), examples=5_000, seed=seed)
