"""`ringback campaigns brand`, `submit`, `unassign` and `deactivate`, on the local Telnyx."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import telnyx

from tests.cli.at_stack import asked, run_at
from tests.stack import Stack
from tests.testing.simulator.ten_dlc import new_brand, provisioned

NUMBER = "+13125550301"
BRAND = """
displayName = "Acme"
companyName = "Acme LLC"
entityType = "PRIVATE_PROFIT"
vertical = "RETAIL"
country = "US"
email = "ann@acme.example"
ein = "12-3456789"
state = "TX"
"""
CAMPAIGN = """
brandId = "{brand}"
usecase = "MIXED"
description = "Order confirmations and delivery updates for customers"
sample1 = "Your order has shipped. Reply STOP to opt out."
subscriberOptin = true
optinKeywords = "START,YES"
"""


@pytest.fixture
def client(stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        yield client


def written(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def posts(stack: Stack, path: str) -> int:
    return len([each for each in asked(stack, "POST") if each.path == path])


def test_a_brand_and_its_campaign_are_registered_once_with_our_webhook_urls(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    ours = {"RINGBACK_PUBLIC_URL": "https://hooks.example.com/webhooks"}
    # With the mark that editors of Windows put first.
    create = ("campaigns", "brand", "create", written("brand.toml", f"\ufeff{BRAND}"))
    assert run_at(stack, *create, answer="n\n").code == 1
    assert run_at(stack, *create, "--yes", RINGBACK_DRY_RUN="true").code == 1
    assert posts(stack, "/10dlc/brand") == 0
    ran = run_at(stack, *create, "--yes", **ours)
    [brand] = stack.simulator.account.brands
    assert (ran.code, f"registered: {brand.id}" in ran.stdout) == (0, True), ran.stderr
    assert client.messaging_10dlc.brand.retrieve(brand.id).webhook_url == ours["RINGBACK_PUBLIC_URL"]
    again = run_at(stack, *create, "--yes")
    assert (again.code, brand.id in again.stderr, posts(stack, "/10dlc/brand")) == (1, True, 1)
    stack.simulator.move_brand(brand.id, status="VERIFIED", shape=None)
    submit = ("campaigns", "submit", written("campaign.toml", CAMPAIGN.format(brand=brand.id)), "--yes")
    sent = run_at(stack, *submit, **ours)
    [campaign] = stack.simulator.account.campaigns.of_brand(brand.id)
    assert (sent.code, f"submitted: {campaign.id}" in sent.stdout) == (0, True), sent.stderr
    assert client.messaging_10dlc.campaign.retrieve(campaign.id).webhook_url == ours["RINGBACK_PUBLIC_URL"]
    assert (run_at(stack, *submit).code, posts(stack, "/10dlc/campaignBuilder")) == (1, 1)
    assert run_at(stack, *submit, "--again").code == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('ein = "12-3456789"', 'ein = "123"', "ein: must have nine digits"),
        ('"PRIVATE_PROFIT"', '"private profit"', 'entityType: write "PRIVATE_PROFIT"'),
        ('"PRIVATE_PROFIT"', '"PUBLIC_PROFIT"', "stockExchange: is required for PUBLIC_PROFIT"),
        ('"PRIVATE_PROFIT"', '"SOLE_PROPRIETOR"', "firstName: is required for SOLE_PROPRIETOR"),
        ('companyName = "Acme LLC"', 'company = "Acme LLC"', "company: there is no such field: did you mean"),
        ('"Acme"', '" "', "displayName: must not be blank"),
        ('"TX"', '"Texas"', "state: must be a state in two letters"),
        ('"US"', '"USA"', "country: must be a country in two letters"),
        ('vertical = "RETAIL"\n', "", "vertical: is required"),
        ("ann@acme.example", "ann", "email: must be an e-mail address"),
    ],
)
def test_a_brand_is_checked_before_anything_is_sent(stack: Stack, old: str, new: str, told: str) -> None:
    file = written("brand.toml", BRAND.replace(old, new))
    ran = run_at(stack, "campaigns", "brand", "create", file, "--yes")
    assert (ran.code, told in ran.stderr, asked(stack, "POST")) == (2, True, []), ran.stderr


def test_a_campaign_is_checked_before_anything_is_sent(stack: Stack) -> None:
    wrong = CAMPAIGN.format(brand="B1").replace("START,YES", "START, YES").replace('"MIXED"', '"Mixed"')
    ran = run_at(stack, "campaigns", "submit", written("campaign.toml", wrong), "--yes")
    assert (ran.code, asked(stack, "POST")) == (2, [])
    assert "optinKeywords: must be words with commas between them" in ran.stderr
    assert "usecase: must be a use case such as MIXED" in ran.stderr
    unknown = run_at(stack, "campaigns", "submit", written("campaign.toml", CAMPAIGN.format(brand="B1")), "--yes")
    assert unknown.code == 1


def test_a_brand_is_verified_again_and_vetted_by_a_provider(stack: Stack, client: telnyx.Telnyx) -> None:
    brand = new_brand(client, stack.simulator)
    assert "UNVERIFIED" in run_at(stack, "campaigns", "brand", "revet", brand, "--yes").stdout
    order = ("campaigns", "brand", "order-vetting", brand, "--provider", "AEGIS", "--class", "STANDARD")
    assert run_at(stack, *order, answer="n\n").code == 1
    assert run_at(stack, *order, "--yes").code == 0
    token = ("--provider", "WMC", "--vetting", "V1", "--token", "a-secret")
    assert "score 75" in run_at(stack, "campaigns", "brand", "import-vetting", brand, *token, "--yes").stdout
    shown = run_at(stack, "campaigns", "brand", "vettings", brand)
    assert all(each in shown.stdout for each in ("AEGIS", "STANDARD", "WMC", "V1", "75"))
    listed = run_at(stack, "campaigns", "brand", "vettings", brand, "--json").stdout
    assert (len(json.loads(listed)), "a-secret" in listed) == (2, False)
    assert run_at(stack, "campaigns", "brand", "resend-mail", brand, "--yes").code == 0
    assert run_at(stack, "campaigns", "brand", "revet", "B-unknown", "--yes").code == 1


def test_a_sole_proprietor_is_verified_by_a_code(stack: Stack, client: telnyx.Telnyx) -> None:
    company = new_brand(client, stack.simulator)
    assert "only a SOLE_PROPRIETOR" in run_at(stack, "campaigns", "brand", "send-code", company, "--yes").stderr
    brand = new_brand(client, stack.simulator, entity_type="SOLE_PROPRIETOR", mobile_phone=NUMBER)
    assert run_at(stack, "campaigns", "brand", "send-code", brand, "--text", "Hello", "--yes").code == 2
    sent = run_at(stack, "campaigns", "brand", "send-code", brand, "--yes")
    reference = sent.stdout.splitlines()[0].removeprefix("on its way: ")
    for each in (brand, reference):
        shown = run_at(stack, "campaigns", "brand", "code", each).stdout
        assert ("deliveryStatus: DELIVERED_HANDSET" in shown, NUMBER in shown) == (True, False), shown
    assert run_at(stack, "campaigns", "brand", "verify-code", brand, "000000").code == 1
    assert run_at(stack, "campaigns", "brand", "verify-code", brand, "123456").code == 0
    assert "verifyDate" in run_at(stack, "campaigns", "brand", "code", brand).stdout


def test_a_number_a_campaign_and_a_brand_are_given_up(stack: Stack, client: telnyx.Telnyx) -> None:
    campaign = provisioned(client, stack.simulator, NUMBER)
    brand = stack.simulator.account.campaigns.known(campaign).brand_id
    kept = run_at(stack, "campaigns", "brand", "delete", brand, "--yes")
    assert (kept.code, "has 1 campaigns" in kept.stderr) == (1, True)
    ran = run_at(stack, "campaigns", "unassign", NUMBER, "+13125550309", "--yes")
    assert "+1312•••0301: unassigned" in ran.stdout
    assert (ran.code, "+1312•••0309: in no campaign" in ran.stderr, NUMBER in ran.stdout) == (1, True, False)
    assert stack.simulator.account.campaign_numbers.find(NUMBER) is None
    assert run_at(stack, "campaigns", "unassign", NUMBER, "--yes").code == 1
    assert run_at(stack, "campaigns", "deactivate", campaign, answer="n\n").code == 1
    assert run_at(stack, "campaigns", "deactivate", campaign, "--yes").code == 0
    assert run_at(stack, "campaigns", "brand", "delete", brand, "--yes").code == 0
    shared = stack.simulator.share_campaign().id
    assert "another provider's" in run_at(stack, "campaigns", "deactivate", shared, "--yes").stderr
