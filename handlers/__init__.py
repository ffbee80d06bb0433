"""The built-in handlers, as `HANDLERS=handlers:router` loads them."""

from handlers import (
    agent_webhooks,
    campaign_notices,
    campaign_probes,
    campaigns,
    consent,
    delivery_alerts,
    forward,
    hosted_numbers,
    hosted_transfers,
    rcs_capabilities,
    rcs_registration,
    sms_fallback,
    toll_free,
    toll_free_notices,
)
from service import Router

router = Router(
    agent_webhooks.router,
    campaign_notices.router,
    campaign_probes.router,
    campaigns.router,
    consent.router,
    delivery_alerts.router,
    forward.router,
    hosted_numbers.router,
    hosted_transfers.router,
    rcs_capabilities.router,
    rcs_registration.router,
    sms_fallback.router,
    toll_free.router,
    toll_free_notices.router,
)
