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
class Passage:
    """One request on its way through the gateway."""

    simulator: Simulator
    operation: Operation
    call: OperationCall
    authorization: str | None
    fault: Fault | None

    def struck(self, when: str, kind: FaultKind) -> Fault | None:
        """Return the fault if it is of that kind and strikes before or after the effect."""
        return self.fault if self.fault and (self.fault.when, self.fault.kind) == (when, kind) else None


async def handle(
    simulator: Simulator, operation: Operation, call: OperationCall, authorization: str | None
) -> tuple[Answer | None, Fault | None]:
    """Perform and log `call`. Return its answer (None: drop the connection) and the fault that struck it."""
    log = simulator.request_log
    place = log.begin(call, simulator.clock.now())
    fault = simulator.faults.take(lambda fault: fault.matches(call))
    passage = Passage(simulator, operation, call, authorization, fault)
    done = await _answer(passage)
    answer = await _spoiled(passage, done)
    log.end(
        place,
        status=answer and answer.status,
        id=done and done.id,
        replayed=done is not None and REPLAYED_HEADER in done.headers,
        fault=fault and fault.kind,
    )
    return answer, fault


async def _answer(passage: Passage) -> Answer | None:
    if passage.struck("before", "reset"):
        return None
    try:
        if fault := passage.struck("before", "status"):
            raise fault.error()
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
    known = passage.simulator.api_key in (None, token.strip())
    if scheme.lower() != "bearer" or not token.strip() or not known:
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
        # A cancelled request too frees its key, else every later one would meet 409.
        keys.forget(call)
        raise
    keys.fulfil(call, answer, passage.simulator.clock.now())
    return answer


async def _effect(passage: Passage) -> Answer:
    # A slow request holds its Idempotency-Key while it waits, so that a concurrent one meets 409.
    await asyncio.sleep(passage.simulator.latency)
    if fault := passage.struck("before", "slow"):
        await asyncio.sleep(fault.seconds)
    return passage.operation.perform(passage.simulator.account, passage.call)


async def _spoiled(passage: Passage, answer: Answer | None) -> Answer | None:
    """Return the caller's part of `answer` if a fault strikes after the effect."""
    if passage.struck("after", "reset"):
        return None
    if fault := passage.struck("after", "slow"):
        await asyncio.sleep(fault.seconds)
    if fault := passage.struck("after", "status"):
        return _refused(fault.error(), passage.operation)
    return answer
