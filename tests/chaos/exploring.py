"""Every state of a model that can be reached, and walks through it."""

import random
from collections import deque
from dataclasses import dataclass

from tests.chaos.lease_model import Model
from tests.chaos.lease_state import State, Step, broken_guarantee

RARELY = {"tick": 0.3, "crash": 0.3}
"""Weights of steps in a random walk, where they are not 1."""


@dataclass(frozen=True)
class Explored:
    """How many states there are, and the first that breaks a guarantee, with the way to it."""

    states: int
    broken: str | None = None
    trace: tuple[Step, ...] = ()
    stuck: tuple[State, ...] = ()
    """States from which the event does not end any more, though the clock and the workers go on."""


def explore(model: Model) -> Explored:
    """Visit every state, the nearest first."""
    start = State()
    came_from: dict[State, tuple[State, Step] | None] = {start: None}
    leads_to: dict[State, list[State]] = {}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        if (broken := broken_guarantee(state, model.bounds)) is not None:
            return Explored(len(came_from), broken, _trace(came_from, state))
        for step, after in model.steps(state):
            leads_to.setdefault(after, []).append(state)
            if after not in came_from:
                came_from[after] = state, step
                waiting.append(after)
    return Explored(len(came_from), stuck=_stuck(came_from, leads_to, model))


def walk(model: Model, choice: random.Random, longest: int) -> list[tuple[Step, State]]:
    """Return a random way through the model. The clock and crashes are rare, so that most ways end."""
    state, way = State(), list[tuple[Step, State]]()
    while len(way) < longest and (steps := list(model.steps(state))):
        weights = [RARELY.get(step.name, 1.0) for step, _ in steps]
        [(step, state)] = choice.choices(steps, weights)
        way.append((step, state))
    return way


def _stuck(
    states: dict[State, tuple[State, Step] | None], leads_to: dict[State, list[State]], model: Model
) -> tuple[State, ...]:
    """Return the states with time for a lease and a claim, from which no end can be reached."""
    ended = [each for each in states if each.event in ("done", "dead")]
    ending, waiting = set(ended), deque(ended)
    while waiting:
        for before in leads_to.get(waiting.popleft(), []):
            if before not in ending:
                ending.add(before)
                waiting.append(before)
    bounds = model.bounds
    if bounds.poison:
        return ()  # it takes more leases than there is time from most states
    return tuple(
        each
        for each in states
        if each not in ending and each.claims < bounds.claims and max(each.clock, each.lease_until) <= bounds.ticks
    )


def _trace(came_from: dict[State, tuple[State, Step] | None], state: State) -> tuple[Step, ...]:
    steps = []
    while (before := came_from[state]) is not None:
        state, step = before
        steps.append(step)
    return tuple(reversed(steps))
