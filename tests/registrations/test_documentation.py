"""What docs/registrations.md shows is what runs."""

import re
import sys
import tomllib
import types
from pathlib import Path

from typer.testing import CliRunner

from service import Router
from service.cli import app
from service.registrations import rcs_limits
from service.registrations.rcs_submission import read_file
from service.registrations.submission_fields import read_table
from service.registrations.ten_dlc.submissions import TenDlcBrand, TenDlcCampaign
from service.registrations.toll_free_submission import read_submission
from service.registrations.toll_free_wording import doubts, refuse_wrong_opt_in

PAGE = (Path(__file__).parents[2] / "docs" / "registrations.md").read_text()


def block(language: str, words: str = "") -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return next(each for each in found if words in each)


def test_the_submission_that_is_shown_is_one_without_a_doubt() -> None:
    submission = read_submission(tomllib.loads(block("toml")))
    refuse_wrong_opt_in(submission)
    assert list(doubts(submission)) == []


def test_the_10dlc_brand_and_campaign_that_are_shown_fit() -> None:
    brand = read_table(TenDlcBrand, tomllib.loads(block("toml", "displayName")))
    campaign = read_table(TenDlcCampaign, tomllib.loads(block("toml", "brandId")))
    assert (brand.company_name, campaign.usecase) == ("Acme LLC", "MIXED")


def test_the_rcs_brand_and_agent_that_are_shown_are_without_a_doubt() -> None:
    fields = tomllib.loads(block("toml", "[brand]"))
    for launching in (False, True):
        assert list(rcs_limits.doubts(read_file(fields, launching=launching))) == []


def test_the_handler_that_is_shown_is_one() -> None:
    page = types.ModuleType("page_of_registrations")
    sys.modules[page.__name__] = page
    exec(block("python"), vars(page))
    router = page.router
    assert isinstance(router, Router)
    assert router.subscriptions["verified"].payload is not None


def test_the_commands_that_are_shown_exist() -> None:
    commands = set(re.findall(r"`ringback (\w+) ([\w-]+)", PAGE))
    assert {group for group, _ in commands} >= {"webhooks", "tollfree"}
    for group, command in commands:
        assert CliRunner().invoke(app, [group, command, "--help"]).exit_code == 0, (group, command)
