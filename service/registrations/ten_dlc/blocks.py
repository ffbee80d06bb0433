"""The blocks of senders whose 10DLC registrations let them reach no carrier, or not all.

A block follows from the known states alone, and not from one reading. Processes may open and lift blocks in any order,
because each looks at the known states once more after that.
"""

from dataclasses import dataclass

import orjson

from service.outbound import gate
from service.outbound.gate import ADVICE, CAMPAIGN, campaign_block
from service.registrations.status_changes import Known
from service.registrations.ten_dlc import kinds
from service.registrations.ten_dlc.following import TenDlc, digests_of
from service.registrations.ten_dlc.senders import FallbackSender, Stop, block_of, stops_of, stops_of_all
from service.store.effects import blocks
from service.store.facts.remembered import all_known, compare_and_set, snapshot

MOST_ROUNDS = 5
PROOF = "campaign_proof"
"""The kind under which a delivery is remembered that proves a stop wrong: by block, the mark of the stop."""


@dataclass(frozen=True, slots=True)
class StoppedSender:
    """One sender that cannot reach some carriers, by the name of its block."""

    sender: FallbackSender
    stop: Stop


async def stopped_senders(ten_dlc: TenDlc, senders: list[FallbackSender]) -> dict[str, StoppedSender]:
    """Return the stops of all senders by the name of their block, from the known states."""
    numbers = await ten_dlc.all_known(kinds.NUMBER)
    campaigns = await ten_dlc.all_known(kinds.CAMPAIGN)
    found: dict[str, StoppedSender] = {}
    for sender in senders:
        each = (stops_of(_known(ten_dlc, numbers, number), campaigns) for number in sorted(sender.numbers))
        stops = stops_of_all(each).values()
        found |= {block_of(sender, stop): StoppedSender(sender, stop) for stop in stops}
    return found


async def numbers_stopped(
    ten_dlc: TenDlc, senders: list[FallbackSender], *, campaign: str | None = None, number: str | None = None
) -> tuple[list[str], bool]:
    """Return the senders' numbers that a campaign or the loss of a number stops, and whether their sends wait."""
    stopped = await stopped_senders(ten_dlc, [FallbackSender(each, frozenset({each})) for each in _numbers(senders)])
    found = [
        each.sender.digest
        for each in stopped.values()
        if (each.sender.digest == number if number is not None else each.stop.campaign == campaign)
    ]
    waiting = {each for one in (await stopped_senders(ten_dlc, senders)).values() for each in one.sender.numbers}
    return sorted(set(found)), any(each in waiting for each in found)


async def reconcile(ten_dlc: TenDlc, senders: list[FallbackSender]) -> list[str]:
    """Open and lift blocks as the known states say. Return the names of the lifted ones.

    Raises:
        redis.exceptions.RedisError: some are not changed. Doing it again is harmless.
    """
    lifted: list[str] = []
    for _ in range(MOST_ROUNDS):
        wanted = await _wanted(ten_dlc, senders)
        # An answer of Telnyx lifts those that a refusal opened.
        is_open = {each.name for each in await blocks.open_blocks(ten_dlc.store) if each.kind == CAMPAIGN and each.held}
        missing, over = wanted.keys() - is_open, is_open - wanted.keys()
        if not missing and not over:
            break
        for name in sorted(missing):
            stop = wanted[name].stop
            detail = f"{stop.reason} (campaign {stop.campaign})" if stop.campaign else stop.reason
            await blocks.hold(ten_dlc.store, name, detail=detail, advice=ADVICE[CAMPAIGN], interval=gate.ACCOUNT_PROBE)
        for name in sorted(over):
            await blocks.lift(ten_dlc.store, name)
            lifted.append(name)
    return lifted


async def prove(
    ten_dlc: TenDlc, senders: list[FallbackSender], number: str, carrier: str | None, *, sent_at: float
) -> bool:
    """Lift the blocks that a delivery disproves: it was sent after they were opened. Return whether there were any."""
    stopped = await stopped_senders(ten_dlc, senders)
    since = {each.name: each.since / 1000 for each in await blocks.open_blocks(ten_dlc.store)}
    of_number = [each.digest for each in senders if number in each.numbers]
    names = [campaign_block(digest, each) for digest in of_number for each in (None, carrier)]
    disproved = [name for name in dict.fromkeys(names) if name in since and sent_at > since[name]]
    for name in disproved:
        if name in stopped:
            await _remember_proof(ten_dlc, name, stopped[name].stop.mark)
        await blocks.lift(ten_dlc.store, name)
    return bool(disproved)


def _numbers(senders: list[FallbackSender]) -> list[str]:
    return sorted({number for each in senders for number in each.numbers})


async def _wanted(ten_dlc: TenDlc, senders: list[FallbackSender]) -> dict[str, StoppedSender]:
    proofs = await all_known(ten_dlc.store, PROOF)
    found = await stopped_senders(ten_dlc, senders)
    return {name: each for name, each in found.items() if proofs.get(name) != orjson.dumps(each.stop.mark)}


async def _remember_proof(ten_dlc: TenDlc, name: str, mark: str) -> None:
    before = await snapshot(ten_dlc.store, PROOF, name)
    await compare_and_set(ten_dlc.store, PROOF, name, before=before, after=orjson.dumps(mark))


def _known(ten_dlc: TenDlc, numbers: dict[str, Known], number: str) -> Known | None:
    forms = digests_of(number, ten_dlc.store.encryption)
    return next((numbers[each] for each in forms if each in numbers), None)
