"""How quickly `run` begins, and everything is silent after `stop`, with many messages that wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from bench.mailing import Mailing
from bench.processes import start
from bench.sink import Sink

RUNS = 3
_LOOK_EVERY = 0.005
# So long after `stop` has returned, messages are still watched for.
_WATCHED = 2.0


@dataclass(frozen=True)
class Reaction:
    """Seconds from `run` to the first message, from `stop` to the last one, and what came after `stop` had returned."""

    first: float
    silence: float
    returned: float
    after: int


def reactions(queued: Mailing, sink: Sink) -> list[str]:
    """What was found, in sentences."""
    found = [_reaction(queued, sink) for _ in range(RUNS)]
    return [
        f"From the start of `campaignctl run` to the first message, with {queued.contacts:,} queued: "
        f"**{median(each.first for each in found):.2f} s** (goal ≤ 2 s).",
        f"From the start of `campaignctl stop` to the last message: **{median(each.silence for each in found):.2f} s** "
        f"(goal ≤ 1 s); `stop` returned after {median(each.returned for each in found):.2f} s, and at most "
        f"{max(each.after for each in found)} messages, under way by then, were taken after that.",
    ]


def _reaction(queued: Mailing, sink: Sink) -> Reaction:
    queued.renew()
    before, began = sink.received, time.perf_counter()
    daemon = start(queued.command("run", "--until-idle"))
    while sink.received == before:
        if daemon.poll() is not None:
            raise RuntimeError(f"run ended with {daemon.returncode} before it sent anything")
        time.sleep(_LOOK_EVERY)
    first = time.perf_counter() - began
    time.sleep(1)
    silence, returned, after = _stopped(queued, sink)
    if daemon.wait(60):
        raise RuntimeError(f"run ended with {daemon.returncode}")
    return Reaction(first, silence, returned, after)


def _stopped(queued: Mailing, sink: Sink) -> tuple[float, float, int]:
    began = time.perf_counter()
    stop = start(queued.command("stop", queued.campaign, "--yes"))
    count, silence, returned, at_return = sink.received, 0.0, 0.0, 0
    while not returned or time.perf_counter() - began < returned + _WATCHED:
        now, seen = time.perf_counter() - began, sink.received
        if seen != count:
            count, silence = seen, now
        if not returned and stop.poll() is not None:
            returned, at_return = now, seen
        time.sleep(_LOOK_EVERY)
    if stop.returncode:
        raise RuntimeError(f"stop ended with {stop.returncode}")
    return silence, returned, count - at_return
