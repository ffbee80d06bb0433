"""The simulated customer's account: everything that the API shows and changes."""

from dataclasses import dataclass, field
from typing import Any

from service.testing.simulator.api.rates import RateTable
from service.testing.simulator.background import Background
from service.testing.simulator.billing import Billing
from service.testing.simulator.hosted.numbers import EligibleStatus
from service.testing.simulator.hosted.orders import HostedNumberOrders, OwnershipCodes
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.messages.inbound import OptOuts
from service.testing.simulator.messages.lifecycle import Outcomes
from service.testing.simulator.messages.message import Messages
from service.testing.simulator.messages.payload import ORGANIZATION_ID
from service.testing.simulator.messages.whatsapp_numbers import WhatsappNumber, new_numbers
from service.testing.simulator.profiles import MessagingProfile, MessagingProfiles, UrlDomain
from service.testing.simulator.rcs import PhoneCapabilities, RcsAgent
from service.testing.simulator.rcs_registration.agents import RegisteredAgent
from service.testing.simulator.rcs_registration.brands import RcsBrand
from service.testing.simulator.resources import Resources
from service.testing.simulator.simulated_clock import SimulatedClock
from service.testing.simulator.ten_dlc.brands import Brand
from service.testing.simulator.ten_dlc.campaigns import ByEitherId, Campaigns
from service.testing.simulator.ten_dlc.carriers import PhoneCarriers
from service.testing.simulator.ten_dlc.numbers import CampaignNumbers
from service.testing.simulator.ten_dlc.vetting import BrandVettings
from service.testing.simulator.tollfree.requests import VerificationRequests
from service.testing.simulator.webhooks.courier import WebhookCourier, WebhookPoster
from service.testing.simulator.webhooks.deliveries import WebhookDeliveries

_PROFILES = ("Marketing", "Alerts", "Support")
_AGENTS = (("acme_agent", "Acme"), ("acme_alerts_agent", "Acme Alerts"), ("acme_support_agent", "Acme Support"))
_DOMAINS = (("acme.link", "marketing"), ("acme.info", "alerts"), ("acme.help", "support"))


@dataclass(frozen=True)
class Account:
    """The stores of one account, and what they share: the clock, identifiers, the background and the deliveries.

    `invitations` are pairs of RCS agent and test number, `transfers` the latest step of each order's internal transfer.
    """

    clock: SimulatedClock
    identifiers: Identifiers
    background: Background
    courier: WebhookCourier
    webhook_deliveries: WebhookDeliveries
    profiles: MessagingProfiles
    messages: Messages = field(default_factory=Messages)
    outcomes: Outcomes = field(default_factory=Outcomes)
    opt_outs: OptOuts = field(default_factory=OptOuts)
    rates: RateTable = field(default_factory=RateTable)
    agents: Resources[RcsAgent] = field(default_factory=lambda: Resources(lambda agent: agent.agent_id))
    capabilities: PhoneCapabilities = field(default_factory=PhoneCapabilities)
    invitations: set[tuple[str, str]] = field(default_factory=set)
    hosted_orders: HostedNumberOrders = field(default_factory=HostedNumberOrders)
    ownership_codes: OwnershipCodes = field(default_factory=OwnershipCodes)
    eligibility: dict[str, EligibleStatus] = field(default_factory=dict)
    transfers: dict[str, str] = field(default_factory=dict)
    verification_requests: VerificationRequests = field(default_factory=VerificationRequests)
    brands: ByEitherId[Brand] = field(default_factory=ByEitherId)
    campaigns: Campaigns = field(default_factory=Campaigns)
    campaign_numbers: CampaignNumbers = field(default_factory=CampaignNumbers)
    carriers: PhoneCarriers = field(default_factory=PhoneCarriers)
    vettings: BrandVettings = field(default_factory=BrandVettings)
    whatsapp_numbers: Resources[WhatsappNumber] = field(default_factory=new_numbers)
    billing: Billing = field(default_factory=Billing)
    rcs_brands: Resources[RcsBrand] = field(default_factory=Resources)
    rcs_agents: Resources[RegisteredAgent] = field(default_factory=Resources)
    url_domains: list[UrlDomain] = field(default_factory=list)


def new_account(
    clock: SimulatedClock, identifiers: Identifiers, background: Background, poster: WebhookPoster, url: str | None
) -> Account:
    """Return a new account with three profiles, agents and domains. Its webhooks go to `url`."""
    deliveries, now = WebhookDeliveries(), clock.iso()
    courier = WebhookCourier(clock, identifiers, background, poster, deliveries)
    account = Account(clock, identifiers, background, courier, deliveries, MessagingProfiles(url))
    shared: dict[str, Any] = {"webhook_url": url, "created_at": now, "updated_at": now}
    for name in _PROFILES:
        profile_id = identifiers.uuid("messaging profile")
        account.profiles.put(MessagingProfile(id=profile_id, name=name, organization_id=ORGANIZATION_ID, **shared))
    for agent_id, name in _AGENTS:
        account.agents.put(RcsAgent(agent_id, name, profile_id=account.profiles.default_id, **shared))
    for domain, use_case in _DOMAINS:
        account.url_domains.append(UrlDomain(identifiers.uuid("url domain"), domain, use_case))
    return account
