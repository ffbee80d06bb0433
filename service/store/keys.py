"""The names of all keys in Redis. No other module names one."""

import hashlib
import operator
from collections.abc import Callable
from functools import partial

NamedAfter = Callable[[str], str]
"""Returns the key that is named after its argument."""


class Keys:
    """Key names of one deployment.

    Under `redis+cluster://` the namespace stands in braces. So all keys lie in one slot.
    A number that is part of a key or a field is hidden if there is an encryption key (`Sealer.forms`).

    | key | type | holds |
    |---|---|---|
    | `<ns>:event:<id>` | hash | the inbox record of an event |
    | `<ns>:confirmed` | string | written before replicas are asked to confirm all writes up to it |
    | `<ns>:content:<hash>` | string | the event that this content was last accepted as, for an hour |
    | `<ns>:queue` | sorted set | arq's queue: job ids by due time (ms) |
    | `<ns>:wake` | list | tokens that waiting workers block on |
    | `<ns>:heal` | hash | how far healing has come, in ms, and how many events it healed |
    | `<ns>:heal_turn` | string | the process that heals now |
    | `<ns>:dropped:<id>` | string | when (ms) and by whom this event was dropped: healing does not raise it again |
    | `<ns>:format` | string | the number of the format, which the first version that changes it writes (`FORMATS`) |
    | `<ns>:forgotten_until` | string | events that were delivered before this moment (ms) have expired |
    | `<ns>:under_way` | sorted set | messages whose end did not come, by when Telnyx is asked for them (ms) |
    | `<ns>:counts` | hash | accepted, done, ignored, dead, open, the last sequence, and the handlers in order (JSON) |
    | `<ns>:unkeyed` | sorted set | ids of events whose place in order is not known yet, by their sequence |
    | `<ns>:turns` | hash | lane → the event whose turn it is (if any), with a line break if others stand there |
    | `<ns>:lane:<handler>:<digest>` | sorted set | the events of a key that stand in line, by their sequence |
    | `<ns>:waiting_turn:<handler>` | sorted set | ids of events that wait for an earlier one, by their sequence |
    | `<ns>:backlog` | set | names of handlers that have left an event open |
    | `<ns>:backlog:<handler>` | sorted set | ids of the events that a handler left open, by the time of that (ms) |
    | `<ns>:events` | sorted set | all event ids by the time of acceptance (ms) |
    | `<ns>:minute:<minute>` | string | digests of the types and numbers among the events accepted in that minute |
    | `<ns>:ended`, `<ns>:dead` | sorted set | ids of ended and of dead events by the time of their end (ms) |
    | `<ns>:causes` | hash | digest of a cause of death → handler, reason and first death (JSON), at most 1,000 |
    | `<ns>:died:<digest>` | sorted set | ids of the events that are dead for this cause by the time of their end (ms) |
    | `<ns>:issues` | hash | digest of a cause → the state that an operator gave it (JSON) |
    | `<ns>:handler_times:<span>:<number>` | hash | handler → counts of its times in a minute or an hour (JSON), a day |
    | `<ns>:jobs` | sorted set | ids of bulk jobs by the time of their creation (ms) |
    | `<ns>:jobs_due` | sorted set | ids of unfinished bulk jobs by the time (ms) when a worker takes them |
    | `<ns>:job:<id>` | hash | a bulk job and its progress, for 7 days after its end |
    | `<ns>:job_ids:<id>` | list | ids of the events of an unfinished bulk job |
    | `<ns>:held:<worker>` | set | ids of the events that a worker holds leases on |
    | `<ns>:claim:<worker>` | string | the number of its latest claim |
    | `<ns>:lapsed:<worker>` | set | ids of events whose leases by this worker lapsed |
    | `<ns>:silence` | hash | the latest sign of a worker, and the latest time without one |
    | `<ns>:blocked` | hash | worker → since when its event loop is blocked, and by whose code (JSON) |
    | `<ns>:workers` | hash | worker → its last sign (ms), a blank, and what it says of itself (JSON) |
    | `<ns>:draining:<worker>` | string | it has announced its stop |
    | `<ns>:bodies` | sorted set | ids of events that ended well and still have their body |
    | `<ns>:pruning` | hash | the small record that is about to take the place of an event's whole one |
    | `<ns>:dead_checked_until` | string | up to when (ms) dead events were read, to report the causes of death |
    | `<ns>:dead_notified:<digest>` | string | this cause of death was reported within the hour |
    | `<ns>:erasing` | set | ids of open events that are to be erased when they have ended |
    | `<ns>:maintenance` | string | the worker that does the maintenance |
    | `<ns>:blocks` | set | names of blocks: open ones, and lifted ones that events are still parked for |
    | `<ns>:block:<name>` | hash | one open block: since when, when it is probed, what to do |
    | `<ns>:parked:<name>` | sorted set | ids of the events that a block holds, by the time of acceptance (ms) |
    | `<ns>:notified:<name>` | string | people were notified of this block lately |
    | `<ns>:failures` | sorted set | ids of the events that Telnyx failed last, by time (ms) |
    | `<ns>:bucket:<product>` | hash | how far sends of a product are blocked, slowed down and lined up |
    | `<ns>:lookahead:<product>` | sorted set | events that read Telnyx before they take a slot, by their end (ms) |
    | `<ns>:slots:<product>` | list | the last moments (ms) at which sends were let through |
    | `<ns>:effects:<id>` | sorted set | names of an event's effects by the time of their beginning (ms) |
    | `<ns>:effect:<name>` | hash | the ledger's entry of one effect |
    | `<ns>:message:<id>` | hash | state of one message per recipient, and who may send its fallback |
    | `<ns>:sms_budget` | sorted set | fallbacks of the last hour by the time of their reservation (ms) |
    | `<ns>:sms_budget:segments` | hash | the segments of each of these, and their sum |
    | `<ns>:sms_budget:notified` | string | a person was notified that fallbacks are held |
    | `<ns>:optouts` | hash | number → times (ms) of its latest opt-out and opt-in, the source, and the number sealed |
    | `<ns>:optout_times` | sorted set | the numbers that are opted out, by the time of that (ms) |
    | `<ns>:optout_keys` | hash | name of an encryption key → how many of these are hidden under it |
    | `<ns>:optouts_read` | string | when Telnyx's list of opt-outs was last read whole (ms) |
    | `<ns>:optouts_latest_read` | string | when the latest rows of that list were last read (ms) |
    | `<ns>:optouts_reader` | string | who reads that list now |
    | `<ns>:delivery_failures:<digest>` | sorted set | a code and sender: failed messages by time (ms) |
    | `<ns>:url_domains` | string | the account's own link domains (JSON), for an hour |
    | `<ns>:replies:<number>` | sorted set | answers given to one number within the hour, by time (ms) |
    | `<ns>:reply_budget` | sorted set | replies of the last hour by the time of their reservation (ms) |
    | `<ns>:sent_regions` | sorted set | regions that we have sent to, by the latest time (ms) |
    | `<ns>:profile_countries:<id>` | string | for an hour, the countries of a messaging profile's numbers (JSON) |
    | `<ns>:cancelled:<key>` | string | a scheduled event called off before it was scheduled |
    | `<ns>:paused` | set | handlers that a person has paused, `*` for all |
    | `<ns>:idempotency_probe` | string | whether Telnyx replayed an answer when that was last tried |
    | `<ns>:notices` | sorted set | causes of notifications by the time when the next message is due (ms) |
    | `<ns>:notice:<cause>` | hash | entries about a cause: new ones, and those of its latest message |
    | `<ns>:snapshot:<kind>` | hash | for ever, by id: the last known state of a registration of that kind |
    | `<ns>:throttle:<name>` | string | the holder of a throttle: an action that may happen once in a while |
    | `<ns>:rcs:<number>` | hash | for 31 days: a phone's carrier, and by agent its capability or test |
    | `<ns>:rcs_agents` | hash | agent under registration → which phones may be asked about, and since when (JSON) |
    | `<ns>:rcs_unapproved` | set | the agents among these that some carrier has not approved |
    | `<ns>:gone_receiver:<hash of a URL>` | string | a receiver of forwarded events that answered 410 |
    | `<ns>:audit_log` | stream | actions of operators: who, when, what |
    | `<ns>:session:<digest>` | string | a signed-in user of the dashboard (JSON), by the digest of the token |
    | `<ns>:sign_ins:<digest>` | string | how often somebody has tried to sign in as a user, or from an address |
    | `<ns>:dashboard_secret` | string | 32 random bytes, for tokens of numbers |
    | `<ns>:readyz` | string | written to see whether writes are taken |
    | `<ns>:user:…` | any | the handlers' own |
    """

    namespace: str
    audit_log: str
    blocked: str
    confirmed: str
    counts: str
    dashboard_secret: str
    dead: str
    ended: str
    erasing: str
    events: str
    forgotten_until: str
    format: str
    heal: str
    heal_turn: str
    idempotency_probe: str
    issues: str
    jobs: str
    jobs_due: str
    maintenance: str
    optout_keys: str
    optout_times: str
    optouts: str
    optouts_latest_read: str
    optouts_read: str
    optouts_reader: str
    paused: str
    queue: str
    rcs_agents: str
    rcs_unapproved: str
    readyz: str
    sent_regions: str
    under_way: str
    url_domains: str
    wake: str
    workers: str
    died: NamedAfter
    draining: NamedAfter
    dropped: NamedAfter
    event: NamedAfter
    handler_times: NamedAfter
    job: NamedAfter
    job_ids: NamedAfter
    message: NamedAfter
    rcs: NamedAfter
    replies: NamedAfter
    session: NamedAfter
    sign_ins: NamedAfter
    snapshot: NamedAfter
    throttle: NamedAfter
    user: NamedAfter

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        for name in _SINGLE:
            setattr(self, name, f"{namespace}:{name}")
        for name in _FAMILIES:
            setattr(self, name, partial(operator.add, f"{namespace}:{name}:"))

    def profile_countries(self, profile_id: str) -> str:
        return f"{self.namespace}:profile_countries:{hashlib.sha256(profile_id.encode()).hexdigest()[:32]}"

    def gone_receiver(self, url: str) -> str:
        return f"{self.namespace}:gone_receiver:{hashlib.sha256(url.encode()).hexdigest()[:32]}"

    def job_id(self, event_id: str) -> str:
        return f"{self.namespace}:{event_id}"


_SINGLE, _FAMILIES = (
    tuple(name for name, kind in Keys.__annotations__.items() if kind is each and name != "namespace")
    for each in (str, NamedAfter)
)
