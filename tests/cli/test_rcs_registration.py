"""`ringback rcs register`, `submit`, `launch`, `status`, on the local Telnyx: checked first, and nothing twice."""

import http.server
import json
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telnyx import AsyncTelnyx

from service.cli.telnyx import rcs_registration
from service.registrations.rcs_limits import contrast_to_white, image_size
from service.registrations.rcs_registration import follow_all
from service.registrations.rcs_submission import read_file
from service.registrations.submission_fields import InvalidSubmission
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from tests.cli.at_stack import asked, run_at
from tests.stack import Stack

BRAND = """
[brand]
display_name = "Acme"
legal_name = "Acme LLC"
legal_entity_type = "LIMITED_LIABILITY_COMPANY"
organization_type = "PRIVATE_PROFIT"
website_url = "https://acme.example"
identifiers.ein = "12-3456789"

[brand.addresses.business]
line_1 = "600 Congress Avenue"
city = "Austin"
administrative_area = "TX"
postal_code = "78701"
country_code = "US"

[brand.contacts.brand]
contact_type = "BRAND"
first_name = "Ann"
last_name = "Doe"
email = "ann@acme.example"
phone_number = "+18005550100"
"""
AGENT = """
[agent]
display_name = "Acme Orders"
use_case = "TRANSACTIONAL"

[agent.basics]
description = "Order confirmations and delivery updates"
brand_color = "#123456"
logo_url = "{images}/logo.png"
hero_url = "{images}/hero.png"
privacy_policy_url = "https://acme.example/privacy"
terms_and_conditions_url = "https://acme.example/terms"
email = {{ address = "help@acme.example", label = "Support" }}
"""
LAUNCH = """
[campaign]
company_overview = "Acme sells anvils online."
agent_overview = "The agent sends order confirmations."
interactions = [{ interaction_type = "TRANSACTIONAL_UPDATES" }]
message_examples = ["Your order is confirmed.", "Your order has shipped.", "Your order was delivered."]

[campaign.consent_settings]
call_to_action = "Tick RCS updates at checkout."
double_opt_in = false
help_response = "Write to help@acme.example."
opt_in_message = "You get updates of your orders."
opt_in_methods = [{ method_type = "SMS" }]
opt_out_response = "You get no more messages."

[testing]
test_url = "https://acme.example/rcs-test.mp4"
"""


def png(width: int, height: int, *, padding: int = 0) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + bytes(padding)


def jpeg(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes(9)
    return b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame


@pytest.fixture
def images() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A web server with images, which a test can replace."""
    shown = {"/logo.png": png(224, 224), "/hero.png": jpeg(1440, 448)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = shown.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", shown
        server.shutdown()
        thread.join()


@pytest.fixture
def file(images: tuple[str, dict[str, bytes]]) -> Path:
    path = Path("acme.toml")
    path.write_text(BRAND + AGENT.format(images=images[0]))
    return path


def test_a_refusal_by_telnyx_after_the_change_is_not_told_as_an_outage_of_redis(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(telnyx: AsyncTelnyx, store: Store) -> bool:
        stack.simulator.add_fault(kind="status", status=403, path="*", times=1)
        return await follow_all(telnyx, store)

    monkeypatch.setattr(rcs_registration, "follow_all", refused)
    ran = run_at(stack, "rcs", "status")
    assert ran.code == 0
    assert "Telnyx: 403" in ran.stderr
    assert "Ringback's poll finds the change within a day" in ran.stderr
    assert "Redis" not in ran.stderr


def events(stack: Stack, kind: str) -> int:
    return len(stack.ask(lambda store: search(store, limit=50, wanted=EventFilter(type=f"{kind}.status_changed"))))


def ids(stack: Stack) -> tuple[str, str]:
    [brand], [agent] = stack.simulator.account.rcs_brands, stack.simulator.account.rcs_agents
    return brand.id, agent.id


def test_a_brand_and_its_agent_are_followed_from_the_file_to_the_carriers(stack: Stack, file: Path) -> None:
    refused = run_at(stack, "rcs", "register", str(file), answer="n\n")
    assert (refused.code, asked(stack, "POST")) == (1, [])
    ran = run_at(stack, "rcs", "register", str(file), "--yes")
    brand, agent = ids(stack)
    assert (ran.code, f"brand {brand}" in ran.stdout, f"agent {agent}" in ran.stdout) == (0, True, True)
    early = run_at(stack, "rcs", "submit", agent, "--yes")
    assert (early.code, "once its brand is VERIFIED" in early.stderr) == (1, True)
    assert run_at(stack, "rcs", "submit", brand, "--yes").stdout == f"brand {brand}: SUBMITTED\n"
    stack.simulator.decide_rcs_brand(brand, status="VERIFIED")
    assert run_at(stack, "rcs", "submit", agent, "--yes").stdout == f"agent {agent}: SUBMITTED\n"
    missing = run_at(stack, "rcs", "launch", agent, "--yes")
    assert (missing.code, "give a FILE" in missing.stderr) == (2, True)
    Path("launch.toml").write_text(LAUNCH)
    assert run_at(stack, "rcs", "launch", agent, "launch.toml", "--yes").stdout == f"agent {agent}: LAUNCHING\n"
    stack.simulator.decide_rcs_agent(agent, carrier="AT&T", decision="REJECTED", reason="Call +13125550401")
    shown = run_at(stack, "rcs", "status", agent).stdout
    assert "AT&T rejected: Call +1312•••0401" in shown
    assert "Verizon pending" in shown
    assert "AT&T rejected" in run_at(stack, "rcs", "status").stdout
    # The command tells the Ringback that runs here, so that nothing waits for the daily poll.
    assert (events(stack, "rcs_brand"), events(stack, "rcs_agent"), events(stack, "rcs_carrier_approval")) == (2, 2, 1)
    assert json.loads(run_at(stack, "rcs", "status", "--json").stdout)[0]["agent_id"] == agent
    assert "VERIFIED" in run_at(stack, "rcs", "brands").stdout
    assert "+1800•••0100" in run_at(stack, "rcs", "brands", brand).stdout


@pytest.mark.parametrize("path", ["/rcs/brands", "/rcs/agents"])
def test_an_answer_that_was_lost_is_no_second_brand_and_no_second_agent(stack: Stack, file: Path, path: str) -> None:
    stack.simulator.add_fault(kind="reset", when="after", method="POST", path=path)
    assert run_at(stack, "rcs", "register", str(file), "--yes").code == 1
    assert run_at(stack, "rcs", "register", str(file), "--yes").code == 0
    brand, agent = ids(stack)
    again = run_at(stack, "rcs", "register", str(file), "--yes")
    assert (again.code, "Telnyx has all of it already." in again.stdout) == (0, True)
    assert ids(stack) == (brand, agent)
    keys = {each.idempotency_key for each in asked(stack, "POST") if each.path == "/rcs/agents"}
    assert len(keys) == 1
    assert None not in keys


def test_a_draft_is_corrected_and_a_locked_one_is_not(stack: Stack, file: Path) -> None:
    run_at(stack, "rcs", "register", str(file), "--yes")
    brand, agent = ids(stack)
    file.write_text(file.read_text().replace("Acme LLC", "Acme Inc").replace("Order confirmations", "Updates"))
    ran = run_at(stack, "rcs", "register", str(file), "--yes")
    assert f"brand: update {brand} (legal_name)" in ran.stdout
    assert f"agent: update {agent} (configuration)" in ran.stdout
    assert ids(stack) == (brand, agent)
    run_at(stack, "rcs", "submit", brand, "--yes")
    file.write_text(file.read_text().replace("Acme Inc", "Acme Co"))
    locked = run_at(stack, "rcs", "register", str(file), "--yes")
    assert (locked.code, "its fields are locked: legal_name cannot change" in locked.stderr) == (1, True)
    stack.simulator.decide_rcs_brand(brand, status="REJECTED")
    assert run_at(stack, "rcs", "register", str(file), "--yes").code == 0
    assert len(stack.simulator.account.rcs_brands) == 2


def test_an_agent_joins_a_brand_that_is_there(stack: Stack, file: Path, images: tuple[str, Any]) -> None:
    run_at(stack, "rcs", "register", str(file), "--yes")
    brand, _ = ids(stack)
    other = AGENT.format(images=images[0]).replace("Acme Orders", "Acme Alerts")
    file.write_text(f'brand_id = "{brand}"\n{other}')
    assert run_at(stack, "rcs", "register", str(file), "--yes").code == 0
    assert [each.fields["brand_id"] for each in stack.simulator.account.rcs_agents] == [brand, brand]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Acme LLC", "", "brand.legal_name: String should have at least 1 character"),
        ("Acme LLC", "  ", "brand.legal_name: must not be blank"),
        ("Acme LLC", "Acme \\u001b[31m", "brand.legal_name: must have no control characters"),
        ('legal_name = "Acme LLC"', 'legal_nam = "Acme LLC"', "brand.legal_nam: there is no such field: did you mean"),
        ("LIMITED_LIABILITY_COMPANY", "limited liability company", 'write "LIMITED_LIABILITY_COMPANY"'),
        ("PRIVATE_PROFIT", "PUBLIC_PROFIT", "brand.identifiers.stock_symbol: is required for PUBLIC_PROFIT"),
        ("12-3456789", "123", "brand.identifiers.ein.value: must have nine digits"),
        ("https://acme.example/privacy", "acme.example", "agent.basics.privacy_policy_url: must be an address"),
        ("https://acme.example/privacy", "http://acme.example", "privacy_policy_url: must be an https address"),
        ("#123456", "navy", "agent.basics.brand_color: must be a colour such as #1A73E8"),
        ("+18005550100", "8005550100", "phone_number: must be a number such as"),
        ('country_code = "US"', 'country_code = "USA"', "country_code: must be a country in two letters"),
        ('email = { address = "help@acme.example", label = "Support" }', "", "agent.basics.email: one of phone_number"),
        ("TRANSACTIONAL", "CHAT", "agent.use_case: must be one of MULTI_USE"),
        ("[brand.contacts.brand]", "[brand.contacts.other]", "brand.contacts.brand: is required"),
        ("#123456", "#FFEE00", "agent.basics.brand_color: has a contrast to white below 4.5"),
        ("Acme Orders", "Acme " * 9, "agent.display_name: has more than 40 characters"),
        ("Order confirmations", "x" * 100, "agent.basics.description: has more than 100 characters"),
        ('brand_color = "#123456"\n', "", "agent.basics.brand_color: is missing"),
    ],
)
def test_a_file_is_checked_before_anything_is_sent(stack: Stack, file: Path, old: str, new: str, told: str) -> None:
    file.write_text(file.read_text().replace(old, new))
    ran = run_at(stack, "rcs", "register", str(file), "--yes")
    assert (ran.code, stack.simulator.requests) == (2, [])
    assert told in ran.stderr


@pytest.mark.parametrize(
    ("path", "content", "told"),
    [
        ("/logo.png", png(200, 200), "logo_url: has 200 x 200 pixels, fewer than 224 x 224"),
        ("/logo.png", png(300, 224), "logo_url: has 300 x 224 pixels, another ratio than 224 x 224"),
        ("/logo.png", png(224, 224, padding=50_000), "logo_url: has more than 50 KB"),
        ("/hero.png", jpeg(1440, 500), "hero_url: has 1440 x 500 pixels, another ratio than 1440 x 448"),
        ("/hero.png", b"<html>", "hero_url: is neither PNG nor JPEG"),
        ("/hero.png", None, "hero_url: cannot be fetched"),
    ],
)
def test_images_are_fetched_and_measured(
    stack: Stack, file: Path, images: tuple[str, dict[str, Any]], path: str, content: bytes | None, told: str
) -> None:
    images[1][path] = content
    ran = run_at(stack, "rcs", "register", str(file), "--yes")
    assert (ran.code, stack.simulator.requests) == (2, [])
    assert told in ran.stderr
    assert run_at(stack, "rcs", "register", str(file), "--yes", "--force").code == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('method_type = "SMS"', 'method_type = "WEBSITE"', "call_to_action_url: is required where"),
        ('method_type = "SMS"', 'method_type = "OTHER"', "opt_in_methods.0.description: is required for OTHER"),
        ("double_opt_in = false", "double_opt_in = true", "double_opt_in_message: is required"),
        ('"TRANSACTIONAL_UPDATES"', '"OTHER"', "campaign.interactions.0.description: is required for OTHER"),
        ('[testing]\ntest_url = "https://acme.example/rcs-test.mp4"', "", "testing: is required"),
        (', "Your order was delivered."', "", "campaign.message_examples: has fewer than 3 examples"),
    ],
)
def test_a_launch_is_checked_before_it_is_sent(stack: Stack, file: Path, old: str, new: str, told: str) -> None:
    run_at(stack, "rcs", "register", str(file), "--yes")
    brand, agent = ids(stack)
    stack.simulator.decide_rcs_brand(brand, status="VERIFIED")
    run_at(stack, "rcs", "submit", agent, "--yes")
    Path("launch.toml").write_text(LAUNCH.replace(old, new))
    ran = run_at(stack, "rcs", "launch", agent, "launch.toml", "--yes")
    assert (ran.code, told in ran.stderr) == (2, True), ran.stderr
    assert stack.simulator.decide_rcs_agent(agent, status="VERIFIED").approvals == ()


def test_a_draft_with_its_campaign_is_launched_without_a_file(stack: Stack, file: Path) -> None:
    file.write_text(file.read_text() + LAUNCH)
    run_at(stack, "rcs", "register", str(file), "--yes")
    brand, agent = ids(stack)
    stack.simulator.decide_rcs_brand(brand, status="VERIFIED")
    run_at(stack, "rcs", "submit", agent, "--yes")
    assert run_at(stack, "rcs", "launch", agent, "--yes").stdout == f"agent {agent}: LAUNCHING\n"


def test_test_numbers_are_invited_and_removed(stack: Stack, file: Path) -> None:
    run_at(stack, "rcs", "register", str(file), "--yes")
    brand, agent = ids(stack)
    stack.simulator.decide_rcs_brand(brand, status="VERIFIED")
    run_at(stack, "rcs", "submit", agent, "--yes")
    ran = run_at(stack, "rcs", "capabilities", agent, "+13125550402")
    assert "no carrier has approved this agent yet" in ran.stderr
    added = run_at(stack, "rcs", "devices", agent, "--add", "+13125550401", "--yes")
    assert (added.code, "+1312•••0401  pending" in added.stdout) == (0, True)
    assert run_at(stack, "rcs", "devices", agent, "--remove", "+13125550401", "--yes").stdout == ""
    assert run_at(stack, "rcs", "devices", agent, "--add", "+13125550401", "--remove", "+13125550401").code == 2


def test_nothing_is_sent_in_a_dry_run(stack: Stack, file: Path) -> None:
    ran = run_at(stack, "rcs", "register", str(file), RINGBACK_DRY_RUN="true")
    assert (ran.code, asked(stack, "POST")) == (1, [])


def test_a_file_names_either_a_brand_or_its_id() -> None:
    with pytest.raises(InvalidSubmission, match="either"):
        read_file({})


def test_images_and_colours_are_measured() -> None:
    assert image_size(png(3, 5)) == (3, 5)
    assert image_size(jpeg(7, 9)) == (7, 9)
    assert [image_size(each) for each in (b"", b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")] == [None] * 4
    assert (round(contrast_to_white("#000000")), round(contrast_to_white("#FFFFFF"))) == (21, 1)
