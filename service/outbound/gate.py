"""What stands before every call of a handler to Telnyx."""

from dataclasses import dataclass

from service.outbound.operations import Call
from service.outbound.refusals import Answer, Refusal, judge_answer


@dataclass(frozen=True)
class Gate:
    """Lets every call through; tells what answers mean."""

    async def admit(self, call: Call, *, event_id: str, returning: bool) -> Refusal | None:
        """None: go."""

    async def heard(self, call: Call, answer: Answer | None, *, event_id: str) -> Refusal | None:  # noqa: ARG002
        """The refusal where the account is refused."""
        if answer is None or answer.status < 400:
            return None
        refusal = judge_answer(answer, is_send=call.keyed)
        return refusal if refusal.kind == "account" else None
