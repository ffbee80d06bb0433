"""The simulated customer's account: everything that the API shows and changes."""

from dataclasses import dataclass, field
from typing import Any

from service.testing.simulator.api.rates import Rates
from service.testing.simulator.background import Background
from service.testing.simulator.hosted.eligibility import EligibleStatus
from service.testing.simulator.hosted.orders import HostedNumberOrders
from service.testing.simulator.hosted.ownership_codes import OwnershipCodes
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.messages.message import Messages
from service.testing.simulator.messages.opt_outs import OptOuts
from service.testing.simulator.messages.outcomes import Outcomes
from service.testing.simulator.profiles.messaging_profiles import MessagingProfiles
from service.testing.simulator.profiles.url_domains import UrlDomain
from service.testing.simulator.rcs.agents import RcsAgents
from service.testing.simulator.rcs.capabilities import PhoneCapabilities
from service.testing.simulator.simulated_clock import SimulatedClock
from service.testing.simulator.tollfree.requests import VerificationRequests
from service.testing.simulator.webhooks.courier import WebhookCourier
from service.testing.simulator.webhooks.deliveries import WebhookDeliveries


@dataclass(frozen=True)
class Account:
    """The stores of one account, and what they share: the clock, identifiers, the background and the courier.

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
    rates: Rates = field(default_factory=Rates)
    agents: RcsAgents = field(default_factory=RcsAgents)
    capabilities: PhoneCapabilities = field(default_factory=PhoneCapabilities)
    invitations: set[tuple[str, str]] = field(default_factory=set)
    hosted_orders: HostedNumberOrders = field(default_factory=HostedNumberOrders)
    ownership_codes: OwnershipCodes = field(default_factory=OwnershipCodes)
    eligibility: dict[str, EligibleStatus] = field(default_factory=dict)
    transfers: dict[str, str] = field(default_factory=dict)
    verification_requests: VerificationRequests = field(default_factory=VerificationRequests)
    agent_drafts: list[dict[str, Any]] = field(default_factory=list)
    url_domains: list[UrlDomain] = field(default_factory=list)
