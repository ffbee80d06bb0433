"""The simulator itself: one account at a local Telnyx, and what tests and demos script."""

import math
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from service.security.telnyx_signature import public_key_text, simulator_key
from service.testing.simulator.account import Account, new_account
from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import LoggedRequest, RequestLog
from service.testing.simulator.api.faults import Fault, ScriptedAnswers, WebhookFault
from service.testing.simulator.api.fields import is_web_address
from service.testing.simulator.api.idempotency import IdempotencyKeys
from service.testing.simulator.background import Background
from service.testing.simulator.hosted.numbers import EligibleStatus
from service.testing.simulator.hosted.orders import (
    HostedNumberOrder,
    OrderStep,
    OwnershipCode,
    TransferStep,
    move,
    transfer,
)
from service.testing.simulator.identifiers import Identifiers
from service.testing.simulator.messages.inbound import InboundMessage, receive
from service.testing.simulator.messages.lifecycle import MessageOutcome
from service.testing.simulator.messages.message import Message, MessageType, OutcomeStatus
from service.testing.simulator.rcs import Capability
from service.testing.simulator.rcs_registration.agents import RegisteredAgent
from service.testing.simulator.rcs_registration.brands import BrandDecision, RcsBrand, decide_brand
from service.testing.simulator.rcs_registration.reviews import AgentDecision, decide_agent
from service.testing.simulator.simulated_clock import SimulatedClock, read_iso
from service.testing.simulator.ten_dlc.brands import Brand, BrandStep, move_brand
from service.testing.simulator.ten_dlc.campaign_operations import SharedCampaign, share_campaign
from service.testing.simulator.ten_dlc.campaigns import Campaign
from service.testing.simulator.ten_dlc.carriers import CarrierOfPhone
from service.testing.simulator.ten_dlc.numbers import CampaignNumber, NumberStep, move_number
from service.testing.simulator.ten_dlc.review import CampaignStep, move_campaign
from service.testing.simulator.tollfree.requests import ReviewDecision, VerificationRequest, decide
from service.testing.simulator.webhooks.courier import WebhookPoster


class Simulator:
    """A local Telnyx: state, rules and scripted faults, without the HTTP face that `create_app` gives it.

    The same `seed` gives the same ids and the same key pair. With `fresh_ids`, events and messages have other ids at
    each start. A Ringback that remembers the earlier ones then takes none for a duplicate. `latency` is how many
    seconds every API request takes. `webhook_url` is where events go for which nothing else is configured. With
    `api_key`, only that key is let in. Else any Bearer token is. The controls over HTTP answer to loopback and to the
    names in `control_hosts`.

    Its methods may be called from any thread. The model that each names describes its keywords.
    An invalid keyword raises `pydantic.ValidationError`.

    Raises:
        ValueError: `latency` is not a number of seconds, or `webhook_url` no http or https URL.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        fresh_ids: bool = False,
        latency: float = 0.0,
        webhook_url: str | None = None,
        api_key: str | None = None,
        control_hosts: Iterable[str] = (),
    ) -> None:
        if not 0 <= latency < math.inf:
            raise ValueError("latency must be a number of seconds, 0 or more")
        if webhook_url is not None and not is_web_address(webhook_url):
            raise ValueError("webhook_url must be an http or https URL")
        self.seed, self.fresh_ids = seed, fresh_ids
        self.latency = latency
        self.webhook_url = webhook_url
        self.api_key = api_key
        self.control_hosts = frozenset(each.lower() for each in control_hosts)
        self.clock = SimulatedClock()
        self.background = Background()
        self._signing_key = simulator_key(seed)
        self.poster = WebhookPoster(self._signing_key)
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened and was scripted. The key pair stays."""
        self.background.cancel()
        self.clock.reset()
        identifiers = Identifiers(self.seed, f" {secrets.token_hex(8)}" if self.fresh_ids else "")
        self.request_log = RequestLog()
        self.idempotency_keys = IdempotencyKeys()
        self.faults: ScriptedAnswers[Fault] = ScriptedAnswers(identifiers, "request fault")
        self.account: Account = new_account(self.clock, identifiers, self.background, self.poster, self.webhook_url)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let messages go their way and webhooks be delivered, in this event loop, until the block ends."""
        async with self.poster.running(), self.background.running():
            yield

    @property
    def public_key(self) -> str:
        """The key that signs the webhooks, in the form that `TELNYX_PUBLIC_KEY` takes."""
        return public_key_text(self._signing_key)

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every API request so far, in the order of arrival."""
        return self.request_log.matching()

    def add_fault(self, fault: Fault | None = None, **fields: Any) -> None:
        """Let a fault strike API requests from now on, for which see `Fault`."""
        self.faults.add(fault or Fault(**fields))

    def add_webhook_fault(self, fault: WebhookFault | None = None, **fields: Any) -> None:
        """Let a fault strike webhooks from now on, for which see `WebhookFault`."""
        self.account.courier.faults.add(fault or WebhookFault(**fields))

    def clear_faults(self) -> None:
        """Call off every fault that is still to come."""
        self.faults.clear()
        self.account.courier.faults.clear()

    def advance(self, seconds: float) -> None:
        """Move the simulated time by `seconds`. Events due in between happen at once.

        Raises:
            ValueError: it would be before 1970 or after 9998.
        """
        self.clock.advance(seconds)

    def set_outcome(self, recipient: str, status: OutcomeStatus, **fields: Any) -> None:
        """Let the messages to `recipient` (`*`: to anybody else) end with `status`, for which see `MessageOutcome`."""
        self.account.outcomes.set(MessageOutcome(recipient=recipient, status=status, **fields))

    def receive(self, inbound: InboundMessage | None = None, **fields: Any) -> Message:
        """Let somebody send a message, for which see `InboundMessage`."""
        return receive(self.account, inbound or InboundMessage(**fields))

    def move_order(self, order_id: str, **fields: Any) -> HostedNumberOrder:
        """Let a hosted number order take a step, for which see `OrderStep`.

        Raises:
            ApiError: 404, there is no such order.
        """
        return move(self.account, order_id, OrderStep(**fields))

    def transfer_order(self, order_id: str, **fields: Any) -> HostedNumberOrder:
        """Let the internal transfer of an order take a step, for which see `TransferStep`.

        Raises:
            ApiError: 404, there is no such order.
        """
        return transfer(self.account, order_id, TransferStep(**fields))

    def decide(self, request_id: str, **fields: Any) -> VerificationRequest:
        """Decide on a toll-free verification request, for which see `ReviewDecision`.

        Raises:
            ApiError: 404, there is no such request.
        """
        return decide(self.account, request_id, ReviewDecision(**fields))

    def move_brand(self, brand_id: str, **fields: Any) -> Brand:
        """Let a 10DLC brand take a step, for which see `BrandStep`.

        Raises:
            ApiError: 404, there is no such brand.
        """
        return move_brand(self.account, brand_id, BrandStep(**fields))

    def move_campaign(self, campaign_id: str, **fields: Any) -> Campaign:
        """Let a 10DLC campaign take a step, for which see `CampaignStep`.

        Raises:
            ApiError: 404, there is no such campaign.
        """
        return move_campaign(self.account, campaign_id, CampaignStep(**fields))

    def move_campaign_number(self, phone_number: str, **fields: Any) -> CampaignNumber:
        """Let the assignment of a number to its campaign take a step, for which see `NumberStep`.

        Raises:
            ApiError: 404, the number has no campaign.
        """
        return move_number(self.account, phone_number, NumberStep(**fields))

    def share_campaign(self, **fields: Any) -> Campaign:
        """Let another provider share a 10DLC campaign, for which see `SharedCampaign`."""
        return share_campaign(self.account, SharedCampaign(**fields))

    def set_carrier(self, phone_number: str, carrier: str) -> None:
        """Let a phone be with a carrier, for which see `CarrierOfPhone`."""
        asked = CarrierOfPhone(phone_number=phone_number, carrier=carrier)
        self.account.carriers.set(asked.phone_number, asked.carrier)

    def decide_rcs_brand(self, brand_id: str, **fields: Any) -> RcsBrand:
        """Let the review of an RCS brand go on, for which see `BrandDecision`.

        Raises:
            ApiError: 404, there is no such brand.
        """
        return decide_brand(self.account, brand_id, BrandDecision(**fields))

    def decide_rcs_agent(self, agent_id: str, **fields: Any) -> RegisteredAgent:
        """Let the review of an RCS agent go on, by section, carrier or test number, for which see `AgentDecision`.

        Raises:
            ApiError: 404, there is no such agent. 400, it has no such carrier or test number.
        """
        return decide_agent(self.account, agent_id, AgentDecision(**fields))

    def set_capability(self, phone_number: str, capability: Capability) -> None:
        """Let a phone take all RCS messages, text only, or none."""
        self.account.capabilities.set(phone_number, capability)

    def set_clock(self, now: str) -> None:
        """Set the simulated time to an ISO 8601 date. Everything due by then happens at once.

        Raises:
            ValueError: it is no date between 1970 and 9998.
        """
        self.clock.set(read_iso(now))

    def set_eligibility(self, phone_number: str, eligible_status: EligibleStatus) -> None:
        """Let the check of a number's eligibility for hosting answer this."""
        self.account.eligibility[phone_number] = eligible_status

    def assign_number(self, phone_number: str, messaging_profile_id: str | None) -> None:
        """Let a number belong to a messaging profile, or with None to no profile.

        Raises:
            ApiError: 404, there is no such profile.
        """
        profiles = self.account.profiles
        if messaging_profile_id is None:
            profiles.unassign(phone_number)
        elif profiles.find(messaging_profile_id) is None:
            raise not_found("There is no such messaging profile.")
        else:
            profiles.assign(phone_number, messaging_profile_id)

    def set_balance(self, balance: float) -> None:
        """Set the balance of the account, in US dollars."""
        self.account.billing.balance = balance

    def set_rate(self, product: MessageType, **fields: Any) -> None:
        """Change the account's rate of sending, for which see `RateOfProduct`. Missing fields stay."""
        self.account.rates.change(product, **fields)

    def ownership_codes(self, order_id: str) -> list[OwnershipCode]:
        """Return the codes that the numbers of a hosted number order were sent."""
        return self.account.ownership_codes.of_order(order_id)

    def requests_to(self, method: str | None = None, path: str | None = None) -> list[LoggedRequest]:
        """Return the API requests of that method and exact path. None matches all."""
        return self.request_log.matching(method, path)

    def summary(self) -> dict[str, Any]:
        """Return counts of resources and of work in the background, and the simulated time."""
        return {
            "now": self.clock.iso(),
            "requests": len(self.requests),
            "messages": len(self.account.messages),
            "webhook_deliveries": len(self.account.webhook_deliveries),
            "hosted_number_orders": len(self.account.hosted_orders),
            "verification_requests": len(self.account.verification_requests),
            "brands": len(self.account.brands),
            "campaigns": len(self.account.campaigns),
            "rcs_brands": len(self.account.rcs_brands),
            "rcs_agents": len(self.account.rcs_agents),
            "under_way": self.background.under_way,
            "faults": len(self.faults) + len(self.account.courier.faults),
        }
