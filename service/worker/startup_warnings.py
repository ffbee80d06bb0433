"""Warnings at a worker's start about features that are not armed."""

from service.events.event_types import nearest_type
from service.routing import Router
from service.settings import Settings, unknown_variables

FALLBACK = "sms_fallback"
CONSENT = "consent"
FORWARD = "forward"
WEBHOOKS = "agent_webhooks"


def warnings_for(router: Router, settings: Settings) -> list[str]:
    """Return a line for each feature or name that is not armed, not loaded, or misspelt."""
    names = set(router.subscriptions)
    found = unknown_variables()
    if not names:
        found.append(f"HANDLERS={settings.handlers} has no handlers: every event will be ignored")
    armed_by = "RINGBACK_SMS_FROM" if settings.policy is None else "RINGBACK_POLICY"
    armed = settings.sms_from is not None or settings.policy is not None
    if FALLBACK in names and not armed:
        found.append("the SMS fallback is not armed: set RINGBACK_SMS_FROM to send an SMS for a failed RCS message")
    if FALLBACK not in names and armed:
        found.append(
            f"{armed_by} is set, but HANDLERS has no sms_fallback:"
            " compose the built-in handlers with yours, Router(handlers.router, …)"
        )
    if settings.public_url is None and (settings.repair_webhooks or settings.manage is not None):
        found.append("RINGBACK_MANAGE and RINGBACK_REPAIR_WEBHOOKS do nothing while RINGBACK_PUBLIC_URL is unset")
    if settings.repair_webhooks and WEBHOOKS not in names:
        found.append("RINGBACK_REPAIR_WEBHOOKS is set, but HANDLERS has no agent_webhooks: nothing will be repaired")
    if settings.forward_url is not None and FORWARD not in names:
        found.append(
            "RINGBACK_FORWARD_URL is set, but HANDLERS has no forward:"
            " compose the built-in handlers with yours, Router(handlers.router, …)"
        )
    if settings.forward_url is None and settings.forward_secret is not None:
        found.append("nothing is forwarded: RINGBACK_FORWARD_SECRET is set, and RINGBACK_FORWARD_URL is not")
    if names and CONSENT not in names:
        found.append(
            "HANDLERS has no consent handler: opt-out words of your own do not count, only STOP, END and the like"
        )
    return found + misspelt_types(router, settings)


def misspelt_types(router: Router, settings: Settings) -> list[str]:
    """Return a line for each event type that is near a known one: nothing arrives under a misspelt type."""
    subscriptions = [each.configured(settings) for each in router.subscriptions.values()]
    return [
        f"the handler {each.name} is on {pattern!r}, which Telnyx is not known to send: is {near} meant?"
        for each in subscriptions
        for pattern in each.types
        if (near := nearest_type(pattern)) is not None
    ]
