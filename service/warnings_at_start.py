"""What a worker says at its start of what will not happen, though somebody may expect it to."""

from service.routing import Router
from service.settings import Settings, unknown_variables

FALLBACK = "sms_fallback"
CONSENT = "consent"


def warnings_for(router: Router, settings: Settings) -> list[str]:
    """In words, what is not armed, not loaded, or misspelt."""
    names = set(router.subscriptions)
    found = [f"{name} means nothing to Ringback: is it misspelt?" for name in unknown_variables()]
    if not names:
        found.append(f"HANDLERS={settings.handlers} has no handlers: every event will be ignored")
    if FALLBACK in names and settings.sms_from is None:
        found.append("the SMS fallback is not armed: set RINGBACK_SMS_FROM to send an SMS for a failed RCS message")
    if FALLBACK not in names and settings.sms_from is not None:
        found.append(
            "RINGBACK_SMS_FROM is set, but HANDLERS has no sms_fallback:"
            " compose the built-in handlers with yours, Router(handlers.router, …)"
        )
    if names and CONSENT not in names:
        found.append(
            "HANDLERS has no consent handler: opt-out words of your own are not heeded, only STOP, END and the like"
        )
    return found
