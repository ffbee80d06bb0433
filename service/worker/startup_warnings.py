"""Warnings at a worker's start about features that are not armed."""

from service.events.event_types import nearest_type
from service.routing import Router
from service.settings import Settings
from service.settings.variables import unknown_variables

FALLBACK = "sms_fallback"
CONSENT = "consent"
FORWARD = "forward"
WEBHOOKS = "agent_webhooks"
HEALING_OFF = "healing is off: set RINGBACK_PUBLIC_URL, and events that Telnyx could not deliver are found again"


def warnings_for(router: Router, settings: Settings) -> list[str]:
    """Return a line for each variable that nothing reads, the warnings of the router, and one if healing is off."""
    healing = [HEALING_OFF] if settings.public_url is None else []
    return [*unknown_variables(), *router_warnings(router, settings), *healing]


def router_warnings(router: Router, settings: Settings) -> list[str]:
    """Return a line for each feature that is not armed or not loaded, and for each misspelt event type."""
    names, compose = set(router.subscriptions), "compose the built-in handlers with yours, Router(handlers.router, …)"
    armed_by = "RINGBACK_SMS_FROM" if settings.policy is None else "RINGBACK_POLICY"
    armed = settings.sms_from is not None or settings.policy is not None
    repairs, forwards = settings.repair_webhooks, settings.forward_url is not None
    found = {
        f"HANDLERS={settings.handlers} has no handlers: every event will be ignored": not names,
        "the SMS fallback is not armed: set RINGBACK_SMS_FROM to send an SMS for a failed RCS message": (
            FALLBACK in names and not armed
        ),
        f"{armed_by} is set, but HANDLERS has no sms_fallback: {compose}": armed and FALLBACK not in names,
        "RINGBACK_MANAGE and RINGBACK_REPAIR_WEBHOOKS do nothing while RINGBACK_PUBLIC_URL is unset": (
            settings.public_url is None and (repairs or settings.manage is not None)
        ),
        "RINGBACK_REPAIR_WEBHOOKS is set, but HANDLERS has no agent_webhooks: nothing will be repaired": (
            repairs and WEBHOOKS not in names
        ),
        f"RINGBACK_FORWARD_URL is set, but HANDLERS has no forward: {compose}": forwards and FORWARD not in names,
        "nothing is forwarded: RINGBACK_FORWARD_SECRET is set, and RINGBACK_FORWARD_URL is not": (
            not forwards and settings.forward_secret is not None
        ),
        "HANDLERS has no consent handler: opt-out words of your own do not count, only STOP, END and the like": (
            bool(names) and CONSENT not in names
        ),
    }
    return [*(text for text, holds in found.items() if holds), *misspelt_types(router, settings)]


def misspelt_types(router: Router, settings: Settings) -> list[str]:
    """Return a line for each event type that is near a known one: nothing arrives under a misspelt type."""
    subscriptions = [each.configured(settings) for each in router.subscriptions.values()]
    return [
        f"the handler {each.name} is on {pattern!r}, which Telnyx is not known to send: is {near} meant?"
        for each in subscriptions
        for pattern in each.types
        if (near := nearest_type(pattern)) is not None
    ]
