"""Posts each change of a toll-free verification to a Slack channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr
from pydantic_settings import BaseSettings

import handlers
from service import Context, Discard, Event, Router
from service.events import TollFreeStatusChanged

SIGNS = {"Verified": ":white_check_mark:", "Rejected": ":x:", "Waiting For Customer": ":raising_hand:"}


class SlackSettings(BaseSettings):
    """`SLACK_WEBHOOK_URL`, an incoming webhook of the channel. It is a secret: anyone who knows it can post."""

    slack_webhook_url: SecretStr


@asynccontextmanager
async def slack() -> AsyncIterator[httpx.AsyncClient]:
    """Yield one client for all posts of a worker."""
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


tracker = Router(lifespan=slack, settings=SlackSettings)


@tracker.on("toll_free_verification.status_changed")
async def toll_free_to_slack(event: Event[TollFreeStatusChanged], ctx: Context) -> None:
    """Post one line. Ringback raises this event once for each change, whatever Telnyx delivers."""
    change = event.payload
    if change.previous is None and change.status == "Verified":
        raise Discard("was_verified_before")
    line = f"{SIGNS.get(change.status, ':hourglass:')} {change.business_name or change.id}: {change.status}"
    if change.reason:
        line += f"\n> {change.reason}"
    url = ctx.own_settings(SlackSettings).slack_webhook_url.get_secret_value()
    answer = await ctx.state.post(url, json={"text": line})
    answer.raise_for_status()


router = Router(handlers.router, tracker)
