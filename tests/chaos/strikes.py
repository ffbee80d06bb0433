"""The faults of a chaos run: each has a begin, and most have an end some seconds later."""

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.backends import Backend
from tests.chaos.deployment import Deployment, Slot
from tests.chaos.proxy import Proxy
from tests.chaos.registrations import PUBLIC_URL
from tests.chaos.schedule import Strike
from tests.chaos.traffic import Traffic
from tests.processes.running import RINGBACK, clean_environment

MESSAGES: Mapping[str, Any] = {"method": "POST", "path": "/messages*"}
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "429": {"status": 429, "headers": {"retry-after": "1"}, "times": 10, "rate": 0.5},
    "500": {"status": 503, "times": 5},
    "500 after work": {"status": 500, "when": "after", "times": 5},
    "answers lost": {"kind": "reset", "when": "after", "times": 5},
    "requests lost": {"kind": "reset", "times": 5},
    "slow answers": {"kind": "slow", "when": "after", "times": 5},
    "slow bodies": {"kind": "slow_body", "times": 5},
    "garbled answers": {"kind": "garbled", "when": "after", "times": 5},
}
"""The faults at the simulator. Each strikes that many requests."""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "retry": ("dead", "retry", "--all", "--yes"),
    "heal": ("heal", "--since", "9m", "--yes"),
    "repair": ("audit", "--repair"),
    "pause": ("pause", "sms_fallback"),
    "replay": ("events", "replay", "--type", "message.finalized", "--since", "15s", "--yes"),
}
"""What operators do, beside the erasure of a number. Of earlier events, the bodies are pruned."""

RESUME = ("resume", "sms_fallback")
LAST_SECONDS = 300.0
"""How long each of the last commands may take on a busy machine."""
KILLED = -signal.SIGKILL


@dataclass
class Strikes:
    """Carries out the schedule. `counts` are the faults so far by kind."""

    deployment: Deployment
    backend: Backend
    telnyx: Proxy
    customer: Proxy
    traffic: Traffic
    counts: Counter[str] = field(default_factory=Counter)
    commands: "list[tuple[str, subprocess.Popen[bytes]]]" = field(default_factory=list)
    exits: Counter[str] = field(default_factory=Counter)
    """How the operators' commands ended, by kind and exit code. Where Redis is away, that is 1."""
    _server_strike: Strike | None = None
    _resuming: list[threading.Thread] = field(default_factory=list)
    _ends: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def run(self, schedule: list[Strike]) -> None:
        """Let each fault strike once so many events were delivered, and end it in time. At the end all are over."""
        pending = list(schedule)
        # Traffic that has ended early reaches no further fault, but the last ones may still be due.
        while pending and (self.traffic.delivered >= pending[0].after or not self.traffic.ended):
            self._end_those_due(time.monotonic())
            if self.traffic.delivered >= pending[0].after:
                self._begin(pending.pop(0))
            threading.Event().wait(0.02)
        while self._ends:
            self._end_those_due(time.monotonic())
            threading.Event().wait(0.02)

    def _begin(self, strike: Strike) -> None:
        self.counts[strike.kind] += 1
        end = self._act(strike)
        if end is not None:
            self._ends.append((time.monotonic() + strike.seconds, end))

    def _end_those_due(self, now: float) -> None:
        for each in [each for each in self._ends if each[0] <= now]:
            self._ends.remove(each)
            each[1]()

    def _act(self, strike: Strike) -> Callable[[], None] | None:
        kind = strike.kind
        if kind in FAULTS:
            self.deployment.fleet.simulator.add_fault(**{**MESSAGES, **FAULTS[kind], **_seconds(strike)})
            return None
        if kind == "erase" or kind in COMMANDS:
            self._command(strike)
            return self._resume_after(self.commands[-1][1]) if kind == "pause" else None
        if kind.endswith("Telnyx"):
            return _strike_proxy(kind, self.telnyx)
        if kind.endswith("customer"):
            return _strike_proxy(kind, self.customer)
        if kind.endswith(" Redis"):
            return _strike_proxy(kind, self._slot(strike).proxy)
        if kind.endswith(("worker", "workers", "ingress")):
            return self._strike_process(strike)
        self.backend.strike(kind)
        self._server_strike = strike
        # The next fault of the server ends this one: then there is nothing to mend for its end.
        return lambda: self.backend.mend() if self._server_strike is strike else None

    def _slot(self, strike: Strike) -> Slot:
        slots = self.deployment.slots
        for role in ("worker", "ingress"):
            if strike.kind.endswith(role):
                slots = self.deployment.of_role(role)
        return slots[strike.target % len(slots)]

    def _strike_process(self, strike: Strike) -> Callable[[], None] | None:
        deployment, slot = self.deployment, self._slot(strike)
        if strike.kind == "SIGTERM to workers":
            for each in deployment.of_role("worker"):
                deployment.signal(each, signal.SIGTERM)
            return lambda: deployment.signal(slot, signal.SIGTERM)
        if strike.kind.startswith("stop"):
            deployment.signal(slot, signal.SIGSTOP)
            return lambda: deployment.signal(slot, signal.SIGCONT)
        if strike.kind.startswith("deploy"):
            slot.later = not slot.later
        deployment.signal(slot, signal.SIGKILL if strike.kind.startswith("kill") else signal.SIGTERM)
        return None

    def _command(self, strike: Strike) -> None:
        numbers = list(self.traffic.numbers)
        if strike.kind == "erase":
            words: tuple[str, ...] = (
                ("erase", numbers[strike.target % len(numbers)], "--yes") if numbers else ("audit",)
            )
        else:
            words = COMMANDS[strike.kind]
        self._note_exits()
        self.commands.append((strike.kind, self._start(*words)))

    def _resume_after(self, pausing: "subprocess.Popen[bytes]") -> Callable[[], None]:
        """Return what resumes once the pausing command has ended. Stories wait for it, so it is repeated."""

        def resume() -> None:
            pausing.wait()
            while code := self._start(*RESUME).wait():
                self.exits[f"resume {code}"] += 1

        self._resuming.append(threading.Thread(target=resume, name="resume"))
        return self._resuming[-1].start

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        fleet, redis_url = self.deployment.fleet, self.backend.url().partition("#")[0]
        # Only the command heals. A worker that knows the URL would look at where each message was delivered.
        environment = {**fleet.environment, "REDIS_URL": redis_url, "RINGBACK_PUBLIC_URL": PUBLIC_URL}
        with (fleet.folder / "commands.log").open("ab") as log:
            return subprocess.Popen(
                [*RINGBACK, *words],
                cwd=fleet.folder,
                env=clean_environment(**environment),
                stdout=log,
                stderr=log,
            )

    def finish(self) -> None:
        """Resume what is paused and heal what was missed, once the faults are over."""
        for each in self._resuming:
            each.join()
        for words in (RESUME, COMMANDS["heal"]):
            code = self._start(*words).wait(LAST_SECONDS)
            if code:
                self.traffic.trouble.append(f"the last {words[0]} ended with {code}")

    def end_commands(self) -> None:
        """Wait for the operators' commands."""
        for _, each in self.commands:
            with suppress(subprocess.TimeoutExpired):
                each.wait(60)
            each.kill()
            each.wait()
        self._note_exits()

    def _note_exits(self) -> None:
        """Count the commands that have ended. One that was used wrongly would prove nothing."""
        ended = [(kind, each.returncode) for kind, each in self.commands if each.poll() is not None]
        self.commands = [(kind, each) for kind, each in self.commands if each.returncode is None]
        self.exits.update(f"{kind} {code}" for kind, code in ended)
        self.traffic.trouble += [f"{kind} ended with {code}" for kind, code in ended if code not in (0, 1, KILLED)]


def _seconds(strike: Strike) -> dict[str, float]:
    return {"seconds": strike.seconds} if strike.kind.startswith("slow") else {}


def _strike_proxy(kind: str, proxy: Proxy | None) -> Callable[[], None] | None:
    if proxy is None:
        return None
    if kind.startswith("cut"):
        proxy.cut()
        return None
    (proxy.stall if kind.startswith("stall") else proxy.refuse)()
    return proxy.mend
