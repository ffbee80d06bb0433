"""`POST /rcs/agents`: drafts of RCS agents, as far as a key of the caller's own is concerned; nothing reviews them."""

from typing import TYPE_CHECKING, Any

from service.testing.simulator.api.api_error import missing_header
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody

if TYPE_CHECKING:
    from service.testing.simulator.account import Account


class AgentDraft(RequestBody):
    """The body of a creation. Source: SDK 4.189, `rcs.AgentCreateParams`."""

    brand_id: str
    configuration: dict[str, Any]
    display_name: str
    use_case: str
    hosting_region: str | None = None
    profile_id: str | None = None


def create_agent(account: "Account", call: OperationCall) -> Answer:
    """Create a draft under a brand, which may be any.

    Raises:
        ApiError: 400, there is no `Idempotency-Key`, or a field is missing or does not fit.
    """
    if call.idempotency_key is None:
        raise missing_header("Idempotency-Key")
    draft = call.read(AgentDraft)
    created = {
        "id": account.identifiers.uuid("rcs agent"),
        "record_type": "rcs_agent",
        **draft.model_dump(),
        "status": "CREATED",
        "carrier_approvals": [],
        "test_devices": [],
    }
    account.agent_drafts.append(created)
    return Answer(created, status=201)
