"""RCS agents: `GET /messaging/rcs/agents`, `GET|PATCH /messaging/rcs/agents/{id}`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from service.testing.simulator.api.api_error import not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody, WebAddress
from service.testing.simulator.api.pages import page
from service.testing.simulator.webhooks.deliveries import USER_ID
from service.testing.simulator.webhooks.events import WebhookTarget

if TYPE_CHECKING:
    from service.testing.simulator.account import Account


@dataclass(frozen=True, slots=True)
class RcsAgent:
    """One agent; inbound RCS messages go to its own webhook URLs. Source: OpenAPI `RCSAgent`."""

    agent_id: str
    agent_name: str
    created_at: str
    updated_at: str
    profile_id: str | None = None
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    enabled: bool = True
    user_id: str = USER_ID

    @property
    def destination(self) -> WebhookTarget:
        """Where its inbound messages go."""
        return WebhookTarget(self.webhook_url, self.webhook_failover_url)


class RcsAgentUpdate(RequestBody):
    """The fields that PATCH changes, as far as given; null clears one. Source: OpenAPI `RCSAgentUpdate`."""

    profile_id: str | None = None
    webhook_url: WebAddress | None = None
    webhook_failover_url: WebAddress | None = None


class RcsAgents:
    """The agents by id."""

    def __init__(self) -> None:
        self._agents: dict[str, RcsAgent] = {}

    def __iter__(self) -> Iterator[RcsAgent]:
        return iter(list(self._agents.values()))

    def put(self, agent: RcsAgent) -> None:
        """Add an agent, or replace the one of that id."""
        self._agents[agent.agent_id] = agent

    def find(self, agent_id: str) -> RcsAgent | None:
        """The agent of that id."""
        return self._agents.get(agent_id)


def list_agents(account: "Account", call: OperationCall) -> Answer:
    """List the agents.

    Raises:
        ApiError: 400, a page is out of range.
    """
    return page(call, [asdict(agent) for agent in account.agents])


def retrieve_agent(account: "Account", call: OperationCall) -> Answer:
    """Show one agent.

    Raises:
        ApiError: 404, there is no such agent.
    """
    return Answer({"data": asdict(known_agent(account, call.parameters["id"]))})


def update_agent(account: "Account", call: OperationCall) -> Answer:
    """Change the profile and the webhook URLs, as far as they are given.

    Raises:
        ApiError: 404, there is no such agent; 400, a field does not fit.
    """
    agent = known_agent(account, call.parameters["id"])
    changes = call.read(RcsAgentUpdate).model_dump(exclude_unset=True)
    changed = replace(agent, **changes, updated_at=account.clock.iso())
    account.agents.put(changed)
    return Answer({"data": asdict(changed)})


def known_agent(account: "Account", agent_id: str) -> RcsAgent:
    """The agent of that id.

    Raises:
        ApiError: 404, there is none.
    """
    agent = account.agents.find(agent_id)
    if agent is None:
        raise not_found()
    return agent
