"""One step of the core, run beside the event loop: what it brought, or why it brought nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from backstay.coordinator import Orders
from backstay.state.assemble_problem import Problem
from backstay_kube.client import Obj


@dataclass(frozen=True, slots=True)
class Thought:
    """What one step of the core brought, with what is long to say about it."""

    orders: Orders
    due: Mapping[str, Obj]
    """Plans to be written."""
    why: Mapping[str, str]
    took_s: float


class StepFailed(Exception):
    """A step of the core raised: nothing of it is carried out, and what was decided before stays in force."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{one.kind} {one.name}: {one.message}" for one in problems))
        self.problems = problems


Think = Callable[[Callable[[], Thought]], Awaitable[Thought]]
"""Where the core's step runs: beside the event loop (`asyncio.to_thread`), which must renew the DC's Lease and hear the nodes while a
thousand resources are scheduled; or, under a virtual clock, at once."""


async def at_once(step: Callable[[], Thought]) -> Thought:
    """In the loop."""
    return step()
