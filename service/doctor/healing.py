"""The check of healing: how far Telnyx's deliveries were looked at."""

from datetime import UTC, datetime

from service import clock
from service.doctor.deployment import Deployment
from service.doctor.finding import Warned
from service.store.inbox.healing import state_of

LATE = 3 * 3600.0
"""Seconds after which healing is late. Workers heal hourly."""


async def healing(at: Deployment) -> str:
    """Tell how far healing has come. It goes on hourly in a worker."""
    if at.settings.public_url is None:
        raise Warned(
            "off, so that events which Telnyx could not deliver stay lost."
            " Next: set RINGBACK_PUBLIC_URL to the URL at which Telnyx reaches this Ringback"
        )
    state = await state_of(at.store)
    if state is None:
        return "begins with the first start of a worker"
    until = f"{datetime.fromtimestamp(state.until, UTC):%Y-%m-%d %H:%M} UTC"
    told = f"deliveries until {until} were looked at, {state.healed:,} events healed in all"
    if state.failed:
        raise Warned(f"{told}, and {state.failed:,} could not be. Next: ringback heal --since 24h --json")
    if clock.now() - state.until > LATE:
        raise Warned(f"{told}, too long ago. Next: start a worker, or run ringback heal")
    return told
