"""The demo as a new user runs it, and that it fails when what it shows does not hold."""

from pathlib import Path

import pytest

from tests.processes.running import ringback

EMPTY = "from service import Router\nrouter = Router()\n"

SENDS_TWICE = """
from service import Context, Event, Router
from service.events import Message

router = Router()

@router.on("message.finalized")
async def eager(event: Event[Message], ctx: Context) -> None:
    for number in (to.phone_number for to in event.payload.to if to.status == "delivery_failed"):
        for _ in range(2):
            await ctx.telnyx.messages.send(to=number, from_="+13125550199", text="twice")
"""

BROKEN = "import a_package_that_is_not_there\n"


@pytest.mark.slow
def test_the_demo_holds(tmp_path: Path) -> None:
    ended = ringback("demo", cwd=tmp_path)

    assert (ended.returncode, ended.stdout.count("✓"), ended.stdout.count("✗")) == (0, 8, 0), (
        ended.stdout + ended.stderr
    )
    assert "All 8 held." in ended.stdout


@pytest.mark.slow
def test_the_demo_uses_nothing_of_the_users_environment_but_the_handlers(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDIS_URL=redis://127.0.0.1:1\nTELNYX_BASE_URL=http://127.0.0.1:1\n")
    ended = ringback("demo", cwd=tmp_path, REDIS_URL="redis://127.0.0.1:1", RINGBACK_SMS_FROM="nonsense")

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_without_handlers_the_demo_fails_and_names_the_rows(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text(EMPTY)
    ended = ringback("demo", cwd=tmp_path, HANDLERS="empty:router")

    assert ended.returncode == 1
    failed = ended.stdout.split("Failed:")[1]
    assert "ended delivery_failed" in failed
    assert "inbound SMS" in failed
    assert "forged" not in failed


@pytest.mark.slow
def test_a_handler_that_sends_twice_fails_the_demo(tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text(SENDS_TWICE)
    ended = ringback("demo", cwd=tmp_path, HANDLERS="eager:router")

    assert ended.returncode == 1
    assert "ended delivery_failed" in ended.stdout.split("Failed:")[1]


@pytest.mark.slow
def test_handlers_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    ended = ringback("demo", cwd=tmp_path, HANDLERS="broken:router")

    assert ended.returncode == 1
    assert "a_package_that_is_not_there" in ended.stderr
