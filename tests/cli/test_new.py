"""`ringback new`: what it writes works, and nothing that was there is lost."""

import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from nacl.signing import SigningKey

from service.cli.run.new_project import MODES, Handlers, Wanted, content
from service.security.telnyx_signature import public_key_text
from tests.processes.running import SECONDS, clean_environment, ringback
from tests.terminal import on_terminal

PUBLIC_KEY = public_key_text(SigningKey(bytes(32)))
LATER = [("public key of your account (empty: later): ", ""), ("API key of your account (empty: later): ", "")]
WRITTEN = ["my_handlers.py", "test_my_handlers.py", ".env"]
HANDLERS, TEST, ENVIRONMENT = (content(name, Wanted()) for name in WRITTEN)


def pytest_in(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """A user's own pytest, with no setting of this project's."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.slow
def test_the_test_that_it_writes_passes(tmp_path: Path) -> None:
    ended = ringback("new", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [f"{name} written" in ended.stdout for name in WRITTEN] == [True] * 3

    ran = pytest_in(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


@pytest.mark.slow
def test_all_that_it_can_write_passes_its_own_test_and_every_check(tmp_path: Path) -> None:
    options = [word for each in Handlers for word in ("--handler", each)]
    ended = ringback("new", *options, "--policy", "--compose", "--sms-from", "+13125550199", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")

    ran = pytest_in(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout
    checked = ringback("policy", "check", "policy.toml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    compose = yaml.safe_load((tmp_path / "compose.yaml").read_text())
    assert set(compose["services"]) == {"valkey", "ingress", "worker"}
    shown = ringback("config", cwd=tmp_path)
    assert (shown.returncode, "means nothing" in shown.stderr) == (0, False)


@pytest.mark.parametrize("handlers", [[each] for each in Handlers] + [list(Handlers)], ids=str)
def test_each_choice_of_handlers_is_code_without_a_name_too_many(handlers: list[Handlers], tmp_path: Path) -> None:
    wanted = Wanted(handlers=tuple(handlers))
    for name in ("my_handlers.py", "test_my_handlers.py"):
        (tmp_path / name).write_text(content(name, wanted))
    ruff: list[str | Path] = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E4,E7,E9,F,W", tmp_path]
    checked = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_a_terminal_is_asked_until_the_answer_can_be_used(tmp_path: Path) -> None:
    replies = [
        ("Answer inbound messages? [Y/n]: ", "n"),
        ("such as a CRM? [y/N]: ", "y"),
        ("verification? [y/N]: ", ""),
        ("(empty: none): ", "my number"),
        ("(empty: none): ", " +1 (312) 555-0199 "),
        ("quiet hours for that SMS? [y/N]: ", "y"),
        ("for containers? [y/N]: ", "n"),
        ("public key of your account (empty: later): ", "ключ"),
        ("public key of your account (empty: later): ", f" {PUBLIC_KEY} "),
        ("API key of your account (empty: later): ", "KEY 'of' # nobody"),
        ("API key of your account (empty: later): ", "KEY-of-nobody"),
    ]
    shown = on_terminal("-m", "service.cli", "new", replies=replies, cwd=tmp_path)
    assert "KEY-of-nobody" not in shown
    environment = (tmp_path / ".env").read_text()
    assert f"TELNYX_PUBLIC_KEY={PUBLIC_KEY}\nTELNYX_API_KEY=KEY-of-nobody\n" in re.sub("#.*\n", "", environment)
    assert "RINGBACK_SMS_FROM=+13125550199\n" in environment
    assert "async def crm_note" in (tmp_path / "my_handlers.py").read_text()
    assert "async def auto_reply" not in (tmp_path / "my_handlers.py").read_text()
    assert (tmp_path / "policy.toml").is_file()
    assert not (tmp_path / "compose.yaml").exists()


def test_who_wants_no_handler_gets_none(tmp_path: Path) -> None:
    replies = [("Answer inbound messages? [Y/n]: ", "n"), ("such as a CRM? [y/N]: ", ""), ("verification? [y/N]: ", "")]
    replies += [("(empty: none): ", "profile"), ("for that SMS? [y/N]: ", ""), ("for containers? [y/N]: ", "")]
    shown = on_terminal("-m", "service.cli", "new", replies=[*replies, *LATER], cwd=tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [".env"], shown
    environment = (tmp_path / ".env").read_text()
    assert ("HANDLERS" in environment, "RINGBACK_SMS_FROM=profile\n" in environment) == (False, True)


@pytest.mark.slow
def test_options_say_what_a_terminal_is_asked(tmp_path: Path) -> None:
    made = ringback("new", "--no-handlers", "--sms-from", "profile", "über uns/hooks", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert [each.name for each in (tmp_path / "über uns" / "hooks").iterdir()] == [".env"]
    assert "next: `cd 'über uns/hooks'`, then `ringback up --dev --simulator`" in made.stdout
    both = ringback("new", "--no-handlers", "--handler", "crm_note", cwd=tmp_path)
    assert (both.returncode, "either --handler or --no-handlers" in both.stderr) == (2, True)


def test_a_container_gets_only_files_that_its_user_can_read() -> None:
    wanted = Wanted(policy=True, compose=True)
    mounted = yaml.safe_load(content("compose.yaml", wanted))["services"]["worker"]["volumes"]
    names = {re.fullmatch(r"\./([^:]+):/app/\1:ro", each)[1] for each in mounted}  # type: ignore[index]
    assert names == set(wanted.files) - {".env", "compose.yaml", "test_my_handlers.py"}
    assert names.isdisjoint(MODES)
    without = yaml.safe_load(content("compose.yaml", Wanted(handlers=(), compose=True)))
    assert "volumes" not in without["services"]["worker"]


def test_nothing_is_asked_where_nobody_can_answer(tmp_path: Path) -> None:
    assert ringback("new", "--handler", "toll_free_news", cwd=tmp_path).stderr == ""
    assert "TELNYX_API_KEY=\n" in (tmp_path / ".env").read_text()


@pytest.mark.slow
def test_the_test_that_it_writes_can_fail(tmp_path: Path) -> None:
    ringback("new", cwd=tmp_path)
    code = tmp_path / "my_handlers.py"
    code.write_text(code.read_text().replace("await ctx.reply", "raise ValueError"))

    ran = pytest_in(tmp_path)
    assert ran.returncode == 1
    assert "1 failed, 1 passed" in ran.stdout or "2 failed" in ran.stdout
    assert "ValueError: Thanks, we will call you back." in ran.stdout, "the author sees the traceback"


@pytest.mark.slow
def test_the_settings_that_it_writes_are_read_and_secret(tmp_path: Path) -> None:
    ringback("new", cwd=tmp_path)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    shown = ringback("config", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "my_handlers:router" in shown.stdout
    assert "TELNYX_PUBLIC_KEY is not set" in ringback("up", cwd=tmp_path).stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my_handlers.py", "test_my_handlers.py"])
def test_what_is_there_stays_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    ended = ringback("new", cwd=tmp_path)

    assert (ended.returncode, f"{name} exists there already" in ended.stderr) == (1, True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


@pytest.mark.slow
def test_two_files_that_are_there_exist(tmp_path: Path) -> None:
    for name in ("my_handlers.py", "test_my_handlers.py"):
        (tmp_path / name).write_text("mine")
    assert "my_handlers.py and test_my_handlers.py exist there already" in ringback("new", cwd=tmp_path).stderr


@pytest.mark.slow
def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "my_handlers.py").symlink_to(tmp_path / "elsewhere.py")
    assert ringback("new", cwd=tmp_path).returncode == 1
    assert not (tmp_path / "elsewhere.py").exists()


def test_an_env_file_that_is_there_stays_and_what_it_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TELNYX_API_KEY=KEY\nHANDLERS='mine:router'\n")
    ended = ringback("new", "--policy", "--sms-from", "+13125550199", cwd=tmp_path)

    assert ended.returncode == 0
    lacking = "HANDLERS=my_handlers:router, RINGBACK_SMS_FROM=+1312•••0199, RINGBACK_POLICY=policy.toml"
    assert f".env stays unchanged: add {lacking}\n" in ended.stdout
    assert (tmp_path / ".env").read_text() == "TELNYX_API_KEY=KEY\nHANDLERS='mine:router'\n"
    assert ((tmp_path / "my_handlers.py").read_text(), (tmp_path / "test_my_handlers.py").read_text()) == (
        HANDLERS,
        TEST,
    )
    assert "HANDLERS=my_handlers:router\n" in ENVIRONMENT


def test_the_handler_that_it_writes_has_the_guard_of_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    body = """    if event.payload.autoresponse_type is None:  # STOP, START and HELP are Telnyx's to answer
        await ctx.reply("Thanks, we will call you back.")
"""
    assert body in readme
    assert body in HANDLERS
