"""The way of every API request: log, scripted faults, authorization, Idempotency-Key, the operation itself."""

import asyncio
from dataclasses import dataclass

from service.testing.simulator.api.api_error import ApiError, unauthenticated
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.faults import Fault, FaultKind
from service.testing.simulator.api.idempotency import REPLAYED_HEADER
from service.testing.simulator.api.operations import Operation
from service.testing.simulator.simulator import Simulator


@dataclass(frozen=True)
class CallOutcome:
    """The result of a request: an answer, and the fault that spoils it; `answer` None: the connection is dropped."""

    answer: Answer | None
    fault: Fault | None = None


@dataclass(frozen=True)
class Passage:
    """One request on its way through the gateway."""

    simulator: Simulator
    operation: Operation
    call: OperationCall
    authorization: str | None
    fault: Fault | None

    def struck(self, when: str, kind: FaultKind) -> bool:
        """Whether a fault of that kind strikes before or after the effect."""
        return self.fault is not None and (self.fault.when, self.fault.kind) == (when, kind)


async def handle(
    simulator: Simulator, operation: Operation, call: OperationCall, authorization: str | None
) -> CallOutcome:
    """Perform `call`, log it, and say how it ends."""
    log = simulator.request_log
    place = log.begin(call, simulator.clock.now())
    fault = simulator.faults.take(lambda fault: fault.matches(call))
    passage = Passage(simulator, operation, call, authorization, fault)
    answer = await _answer(passage)
    outcome = CallOutcome(await _spoiled(passage, answer), fault)
    log.end(
        place,
        status=None if outcome.answer is None else outcome.answer.status,
        id=None if answer is None else answer.id,
        replayed=answer is not None and REPLAYED_HEADER in answer.headers,
        fault=None if fault is None else fault.kind,
    )
    return outcome


async def _answer(passage: Passage) -> Answer | None:
    if passage.struck("before", "reset"):
        return None
    try:
        if passage.fault is not None and passage.struck("before", "status"):
            raise passage.fault.error()
        _authorize(passage)
        return await _perform(passage)
    except ApiError as error:
        return _refused(error, passage.operation)


def _refused(error: ApiError, operation: Operation) -> Answer:
    body = error.as_json()
    if error.status in operation.single_error:
        body = error.problems[0].as_json() | body
    return Answer(body, error.status, error.headers)


def _authorize(passage: Passage) -> None:
    scheme, _, token = (passage.authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthenticated()
    if passage.simulator.api_key is not None and token.strip() != passage.simulator.api_key:
        raise unauthenticated()


async def _perform(passage: Passage) -> Answer:
    if not passage.operation.idempotent or passage.call.idempotency_key is None:
        return await _effect(passage)
    keys, call = passage.simulator.idempotency_keys, passage.call
    stored = keys.claim(call, passage.simulator.clock.now(), reused=passage.operation.reused_key)
    if stored is not None:
        return stored
    try:
        answer = await _effect(passage)
    except BaseException:
        keys.forget(call)
        raise
    keys.fulfil(call, answer, passage.simulator.clock.now())
    return answer


async def _effect(passage: Passage) -> Answer:
    # A slow request holds its Idempotency-Key while it waits, so that a concurrent one meets 409.
    await asyncio.sleep(passage.simulator.latency)
    if passage.fault is not None and passage.struck("before", "slow"):
        await asyncio.sleep(passage.fault.seconds)
    return passage.operation.perform(passage.simulator.account, passage.call)


async def _spoiled(passage: Passage, answer: Answer | None) -> Answer | None:
    """Return the caller's part of `answer` if a fault strikes after the effect."""
    if passage.fault is None or passage.struck("after", "reset"):
        return answer if passage.fault is None else None
    if passage.struck("after", "slow"):
        await asyncio.sleep(passage.fault.seconds)
    if passage.struck("after", "status"):
        return _refused(passage.fault.error(), passage.operation)
    return answer
