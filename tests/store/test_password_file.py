"""A password in a file is replaced while ingress and worker run."""

from pathlib import Path

import pytest
from redis import Redis

from service.store.connection import connect
from service.store.redis_errors import describe_redis_error
from tests.processes.fleet import open_fleet
from tests.processes.load import under_load
from tests.telnyx_events import envelope
from tests.waiting import wait_for

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.*")
async def count(event: Event, ctx: Context) -> None:
    await ctx.redis.incr(ctx.keys.user("runs"))
"""


@pytest.mark.slow  # real processes
def test_a_password_is_replaced_under_load_without_a_restart_or_a_refused_webhook(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    with open_fleet(tmp_path, HANDLERS) as fleet, Redis.from_url(fleet.server.url) as redis:
        redis.execute_command("ACL SETUSER", "app", "on", ">old", "~*", "&*", "+@all")
        fleet.environment["REDIS_URL"] = f"{fleet.server.url.replace('unix://', 'unix://app@')}?password_file={file}"
        fleet.start_ingress()
        fleet.start_worker()
        with under_load(fleet, lambda: envelope("test.one", {})) as load:
            load.wait_for_more(20)
            redis.execute_command("ACL SETUSER", "app", ">new")
            file.write_text("new\n")
            redis.execute_command("ACL SETUSER", "app", "<old")
            load.wait_for_more(20)
        assert load.refused == 0
        # Connections that are open keep their login. All are made anew here.
        assert redis.execute_command("CLIENT KILL", "USER", "app") >= 2
        wait_for(lambda: fleet.deliver(event := envelope("test.two", {})).status_code == 200 and fleet.ended(event))
        assert [each.poll() for each in fleet.processes] == [None, None]


@pytest.mark.anyio
async def test_a_file_without_a_password_is_told_and_is_read_again(redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    url = redis_url.replace("unix://", "unix://default@")
    async with connect(f"{url}?password_file={file}", timeout=2, connections=1) as redis:
        file.write_text("")
        with pytest.raises(Exception, match="password_file") as refused:
            await redis.ping()
        assert "the password file holds no password" in describe_redis_error(refused.value, "here")
        file.unlink()
        with pytest.raises(Exception, match="password_file"):
            await redis.ping()
        # The default user takes any password.
        file.write_text("new")
        assert await redis.ping()
