"""The built-in handlers, as `HANDLERS=handlers:router` loads them."""

from handlers import consent, forward, message_state, sms_fallback
from service import Router

router = Router(consent.router, forward.router, message_state.router, sms_fallback.router)
