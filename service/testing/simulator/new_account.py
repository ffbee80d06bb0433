"""The contents of a new account: three messaging profiles, three RCS agents, three domains for links."""

from service.testing.simulator.account import Account
from service.testing.simulator.background import Background
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.messages.payload import ORGANIZATION_ID
from service.testing.simulator.profiles.messaging_profiles import MessagingProfile, MessagingProfiles
from service.testing.simulator.profiles.url_domains import UrlDomain
from service.testing.simulator.rcs.agents import RcsAgent
from service.testing.simulator.simulated_clock import SimulatedClock
from service.testing.simulator.webhooks.courier import WebhookCourier
from service.testing.simulator.webhooks.deliveries import WebhookDeliveries
from service.testing.simulator.webhooks.posting import WebhookPoster

_PROFILES = ("Marketing", "Alerts", "Support")
_AGENTS = (("acme_agent", "Acme"), ("acme_alerts_agent", "Acme Alerts"), ("acme_support_agent", "Acme Support"))
_DOMAINS = (("acme.link", "marketing"), ("acme.info", "alerts"), ("acme.help", "support"))


def new_account(
    clock: SimulatedClock, identifiers: Identifiers, background: Background, poster: WebhookPoster, url: str | None
) -> Account:
    """An account in which nothing has happened yet; the webhooks of its profiles and agents go to `url`."""
    deliveries = WebhookDeliveries()
    account = Account(
        clock=clock,
        identifiers=identifiers,
        background=background,
        courier=WebhookCourier(clock, identifiers, background, poster, deliveries),
        webhook_deliveries=deliveries,
        profiles=MessagingProfiles(url),
    )
    for name in _PROFILES:
        account.profiles.put(_profile(account, name, url))
    for agent_id, name in _AGENTS:
        account.agents.put(_agent(account, agent_id, name, url))
    for domain, use_case in _DOMAINS:
        account.url_domains.append(UrlDomain(identifiers.uuid("url domain"), domain, use_case))
    return account


def _profile(account: Account, name: str, url: str | None) -> MessagingProfile:
    now = account.clock.iso()
    return MessagingProfile(
        id=account.identifiers.uuid("messaging profile"),
        name=name,
        organization_id=ORGANIZATION_ID,
        webhook_url=url,
        created_at=now,
        updated_at=now,
    )


def _agent(account: Account, agent_id: str, name: str, url: str | None) -> RcsAgent:
    now = account.clock.iso()
    return RcsAgent(agent_id, name, now, now, profile_id=account.profiles.default_id, webhook_url=url)
