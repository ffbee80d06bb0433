"""Reviews of RCS agents: decisions by section and by carrier, at once or at a later simulated time.

Guessed are the length of a review, and the consequence of a decision for the agent's own status.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Self, get_args

from pydantic import Field, model_validator

from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.fields import ControlBody, PhoneNumber
from service.testing.simulator.rcs_registration.agents import (
    CARRIERS,
    AgentStatus,
    ApprovalStatus,
    CarrierApproval,
    InviteStatus,
    RegisteredAgent,
    Section,
    SectionStatus,
)
from service.testing.simulator.rcs_registration.brands import DAY, HOUR
from service.testing.simulator.simulated_clock import iso

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

_ALLOWED: dict[str, tuple[str, ...]] = {
    "section": get_args(SectionStatus),
    "carrier": get_args(ApprovalStatus),
    "phone_number": get_args(InviteStatus),
}
_LAUNCHED = frozenset({"LAUNCHING", "LAUNCHED", "LIVE"})


class AgentDecision(ControlBody):
    """A decision about an agent: its `status`, or the `decision` about a section, a carrier or a test number.

    It holds `after` so many simulated seconds. It replaces the decisions on the same thing that were planned, and one
    about the status replaces all of them.
    """

    status: AgentStatus | None = None
    section: Section | None = None
    carrier: str | None = None
    phone_number: PhoneNumber | None = None
    decision: SectionStatus | ApprovalStatus | InviteStatus | None = None
    reason: str | None = None
    after: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        named = [name for name in _ALLOWED if getattr(self, name) is not None]
        if len(named) + (self.status is not None) != 1:
            raise ValueError("give one of status, section, carrier, phone_number")
        if named and self.decision not in _ALLOWED[named[0]]:
            raise ValueError(f"the decision about a {named[0]} is one of {', '.join(_ALLOWED[named[0]])}")
        return self

    @property
    def about(self) -> tuple[str | None, ...]:
        """The thing that is decided on."""
        return self.section, self.carrier, self.phone_number


def decide_agent(account: "Account", agent_id: str, decision: AgentDecision) -> RegisteredAgent:
    """Let a review of an agent go on as a test wants.

    Raises:
        ApiError: 404, there is no such agent. 400, it has no such carrier or test number.
    """
    agent = known_agent(account, agent_id)
    if decision.carrier and decision.carrier not in {each.carrier for each in agent.approvals}:
        raise bad_request("The agent is not launched, or has no such carrier.", "/carrier")
    if decision.phone_number and decision.phone_number not in {each.phone_number for each in agent.test_devices}:
        raise bad_request("The agent has no such test number.", "/phone_number")
    left = [each for each in agent.planned if decision.status is None and each[1].about != decision.about]
    account.rcs_agents.put(planning(replace(agent, planned=tuple(left)), account.clock.now(), decision))
    return known_agent(account, agent_id)


def planning(agent: RegisteredAgent, now: float, *decisions: AgentDecision) -> RegisteredAgent:
    """Return the agent with decisions that are still to come, in their order of time."""
    planned = [*agent.planned, *((now + each.after, each) for each in decisions)]
    return replace(agent, planned=tuple(sorted(planned, key=lambda each: each[0])))


def review_of_basics() -> tuple[AgentDecision, ...]:
    """Return the review that a submission begins, where nobody scripts another one."""
    return (
        AgentDecision(status="VERIFYING", after=HOUR),
        AgentDecision(section="basics", decision="APPROVED", after=DAY),
        AgentDecision(status="VERIFIED", after=DAY),
    )


def review_of_launch() -> tuple[AgentDecision, ...]:
    """Return the review that a launch begins, where nobody scripts another one."""
    return (
        AgentDecision(section="campaign", decision="APPROVED", after=DAY),
        AgentDecision(section="testing", decision="APPROVED", after=DAY),
        *(AgentDecision(carrier=each, decision="SUBMITTED", after=DAY) for each in CARRIERS),
        *(
            AgentDecision(carrier=each, decision="APPROVED", after=days * DAY)
            for days, each in enumerate(CARRIERS, start=7)
        ),
    )


def known_agent(account: "Account", agent_id: str) -> RegisteredAgent:
    """Return an agent in its present state.

    Raises:
        ApiError: 404, there is none.
    """
    return current(account, account.rcs_agents.known(agent_id))


def current(account: "Account", agent: RegisteredAgent) -> RegisteredAgent:
    """Return an agent in its present state, and store that."""
    now = account.clock.now()
    due = [each for each in agent.planned if each[0] <= now]
    if due:
        agent = replace(agent, planned=tuple(each for each in agent.planned if each[0] > now))
        for at, decision in due:
            agent = _decided(agent, decision, iso(at))
        account.rcs_agents.put(agent)
    return agent


def _decided(agent: RegisteredAgent, decision: AgentDecision, at: str) -> RegisteredAgent:
    verdict: str = decision.decision or ""
    if decision.status is not None:
        return replace(agent, status=decision.status)
    if decision.section is not None:
        sections = {**agent.sections, decision.section: verdict}
        status = "REJECTED" if verdict == "REJECTED" else agent.status
        return replace(agent, sections=sections, status=status)  # type: ignore[arg-type]
    if decision.phone_number is not None:
        devices = (
            replace(each, invite_status=verdict) if each.phone_number == decision.phone_number else each  # type: ignore[arg-type]
            for each in agent.test_devices
        )
        return replace(agent, test_devices=tuple(devices))
    approvals = (
        _answered(each, decision, at) if each.carrier == decision.carrier else each for each in agent.approvals
    )
    return _launched(replace(agent, approvals=tuple(approvals)))


def _answered(approval: CarrierApproval, decision: AgentDecision, at: str) -> CarrierApproval:
    changes = {"SUBMITTED": {"submitted_at": at}, "APPROVED": {"approved_at": at}}
    fields = changes.get(str(decision.decision), {})
    return replace(approval, status=decision.decision, rejected_reason=decision.reason, **fields)  # type: ignore[arg-type]


def _launched(agent: RegisteredAgent) -> RegisteredAgent:
    """Return the agent with the status that follows from its carriers' answers."""
    answers = {each.status for each in agent.approvals}
    if agent.status not in _LAUNCHED:
        return agent
    if answers == {"REJECTED"}:
        return replace(agent, status="REJECTED")
    if "APPROVED" not in answers:
        return agent
    return replace(agent, status="LIVE" if answers <= {"APPROVED", "REJECTED"} else "LAUNCHED")
