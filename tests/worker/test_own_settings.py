"""Settings of an author's own: read and checked at the worker's start, from the environment and `.env`."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service import Context, Event, Router
from service.settings import InvalidSettings
from service.testing import make_event
from service.worker.load_router import load_router
from service.worker.own_settings import InvalidOwnSettings, read_own_settings
from tests.processes.running import ringback

SECRET = "hunter-2-secret"
HANDLERS = """
import os
from pydantic_settings import BaseSettings
from service import Context, Event, Router

class Crm(BaseSettings):
    crm_url: str
    crm_retries: int = 3

router = Router(settings=Crm)

@router.on("message.received")
async def note(event: Event, ctx: Context) -> None:
    ctx.log.info("noted", url=ctx.own_settings(Crm).crm_url, own=os.environ.get("MY_OWN"))
"""


class Crm(BaseSettings):
    """Settings with a prefix, an alias and a check."""

    model_config = SettingsConfigDict(env_prefix="CRM_")

    url: str
    key: str = Field("k", validation_alias=AliasChoices("CRM_API_KEY", "CRM_KEY"))
    retries: int = 3

    @field_validator("url")
    @classmethod
    def _is_web(cls, url: str) -> str:
        if not url.startswith("https://"):
            raise ValueError(f"{url} is no address")
        return url


@pytest.fixture
def environment() -> Any:
    """The environment as it was, after the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def write(folder: Path, name: str, *, env: str = "") -> str:
    (folder / f"{name}.py").write_text(HANDLERS)
    (folder / ".env").write_text(env)
    return f"{name}:router"


def test_a_missing_variable_is_named_and_ends_the_worker_with_2(tmp_path: Path) -> None:
    handlers = write(tmp_path, "my_handlers")
    ended = ringback("worker", cwd=tmp_path, HANDLERS=handlers, TELNYX_API_KEY="KEY", REDIS_URL="redis://127.0.0.1:1")
    assert ended.returncode == 2
    assert "HANDLERS=my_handlers:router: Crm: CRM_URL is not set" in ended.stderr


def test_variables_of_env_reach_handlers_and_those_of_ringback_stay_out(tmp_path: Path, environment: Any) -> None:
    os.environ["SET_BEFORE"] = "mine"
    env = "CRM_URL=https://crm.example\nMY_OWN=yes\nSET_BEFORE=no\nTELNYX_API_KEY=KEY\nREDIS_URL=redis://x\n"
    load_router(write(tmp_path, "env_handlers", env=env))
    assert (os.environ["MY_OWN"], os.environ["SET_BEFORE"]) == ("yes", "mine")
    assert not {"TELNYX_API_KEY", "REDIS_URL"} & set(os.environ)


def test_an_env_file_that_is_not_utf_8_is_told(tmp_path: Path, environment: Any) -> None:
    handlers = write(tmp_path, "utf_handlers")
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(InvalidSettings, match="UTF-8"):
        load_router(handlers)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "CRM_URL is not set"),
        ({"CRM_URL": f"ftp://{SECRET}"}, "CRM_URL is invalid"),
        ({"CRM_URL": "https://x", "CRM_RETRIES": SECRET}, "CRM_RETRIES: Input should be a valid integer"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidOwnSettings) as caught:
        read_own_settings(subscribed(Router(settings=Crm)))
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_nested_variable_is_named_as_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server(BaseModel):
        url: str

    class Nested(BaseSettings):
        model_config = SettingsConfigDict(env_nested_delimiter="__")
        crm: Server

    monkeypatch.setenv("CRM", "{}")
    with pytest.raises(InvalidOwnSettings, match="Nested: CRM__URL is not set"):
        read_own_settings(subscribed(Router(settings=Nested)))


def test_another_class_is_refused() -> None:
    odd: Any = dict
    with pytest.raises(InvalidOwnSettings, match="BaseSettings"):
        read_own_settings(subscribed(Router(settings=odd)))


def subscribed(router: Router) -> Router:
    @router.on("message.received")
    async def mine(event: Event, ctx: Context) -> None: ...

    return router


def test_a_handler_gets_the_settings_of_its_own_router(run_handler: Any) -> None:
    mine, other = Router(settings=Crm), Router()
    seen: list[Any] = []

    @mine.on("message.received")
    async def note(event: Event, ctx: Context) -> None:
        seen.append(ctx.own_settings(Crm).url)

    @other.on("message.received")
    async def bare(event: Event, ctx: Context) -> None:
        ctx.own_settings(Crm)

    both, own = Router(mine, other), Crm(url="https://crm.example")
    assert run_handler(note, make_event("message.received"), router=both, own_settings=own).outcome == "done"
    assert seen == ["https://crm.example"]
    assert run_handler(note, make_event("message.received"), own_settings=own).outcome == "done"
    ran = run_handler(bare, make_event("message.received"), router=both)
    assert isinstance(ran.exception, TypeError)
    with pytest.raises(ValueError, match="own_settings=Crm"):
        run_handler(note, make_event("message.received"), router=both)
