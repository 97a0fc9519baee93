"""What sending costs, against other programs that send the same message to the same sink in the same run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.mailing import ANY, SUBSTITUTING, Mailing, published
from bench.peers import senders
from bench.processes import Used, median_of, run
from bench.reactions import reactions
from bench.results import Section
from bench.sink import PROGRAM as SINK
from bench.sink import Sink, running_sink

RUNS = 5
_FEW = 10_000
# Who else sends, how many messages, and the goal: with `--full` ten times as many.
PEERS = {
    "`smtp-source` (C, fixed bytes)": (senders.smtp_source, 10_000, "next: 1x"),
    "`smtplib`, one connection": (senders.smtplib, 500, ""),
    "nodemailer": (senders.nodemailer, 2_000, "≥ 8x"),
    "`mailmerge`": (senders.mailmerge, 500, "≥ 20x"),
}
_ABOUT = (
    "A personalised message of text and HTML, 3 KB, to Postfix's `smtp-sink` on loopback, over ten connections where\n"
    "nothing else is said. Whole processes that take turns; ours freeze the audience, queue, send, keep the ledger.\n"
    "`ratio` compares processor time without the start of the programs, which a run with nothing to send measures,\n"
    f"with that of our first row. Medians of {RUNS} runs, except where a row says otherwise."
)
_HEADER = (
    "sender", "messages", "processor a message", "of it system", "without the start", "ratio", "messages a second",
    "peak memory", "goal",
)  # fmt: skip


@dataclass
class Work:
    """A piece of work that takes turns with others, and what each of its runs took."""

    do: Callable[[], Used]
    runs: int = RUNS
    times: list[Used] = field(default_factory=list)

    @property
    def used(self) -> Used:
        return median_of(self.times)


@dataclass(frozen=True)
class Sender:
    """One way to send so many messages, and the same program with nothing to send."""

    name: str
    messages: int
    sending: Work
    starting: Work | None
    goal: str = ""

    @property
    def cost(self) -> float:
        """Milliseconds of the processor for each message, without the start."""
        start = self.starting.used.processor if self.starting else 0.0
        return (self.sending.used.processor - start) / self.messages * 1000

    def row(self, ours: float) -> list[str]:
        """A row below `_HEADER`."""
        used, messages = self.sending.used, self.messages
        return [
            self.name,
            f"{messages:,}",
            f"{used.processor / messages * 1000:.3f} ms",
            f"{used.system / messages * 1000:.3f} ms",
            f"{self.cost:.3f} ms",
            f"**{self.cost / ours:.2f}x**",
            f"{messages / used.seconds:,.0f}",
            f"{used.peak:.0f} MiB",
            self.goal,
        ]


def measure(is_full: bool = False) -> Section:
    """All senders in turns; then how quickly ours begin and stop with many messages that wait."""
    if not SINK.exists():
        return Section("Sending", _ABOUT, _HEADER, [], [f"Not measured: there is no `{SINK}` (Debian's postfix)."])
    with tempfile.TemporaryDirectory() as name, running_sink() as sink:
        folder = Path(name)
        missing: list[str] = []
        idle = Work(published(folder, SUBSTITUTING, 0, sink.port).send)
        most = published(folder, SUBSTITUTING, 1_000_000 if is_full else 100_000, sink.port)
        ours = list(_ours(folder, sink, is_full, idle, most))
        everyone = [*ours, *_peers(folder, sink, 10 if is_full else 1, missing)]
        _take_turns(everyone, sink)
        found = [
            f"Of ours, {idle.used.processor:.2f} s of processor time are the start of `campaignctl run`.",
            f"The ledger on disk: **{most.bytes_for_each():.0f} bytes** a delivery (goal ≤ 250).",
            *_growth(ours),
            *reactions(most.queued(), sink),
        ]
    rows = [sender.row(ours[0].cost) for sender in everyone]
    return Section("Sending", _ABOUT, _HEADER, rows, ["\n".join(f"* {each}" for each in [*found, *missing])])


def _take_turns(everyone: list[Sender], sink: Sink) -> None:
    starts = {id(sender.starting): sender.starting for sender in everyone if sender.starting}
    for turn in range(RUNS):
        for start in starts.values():
            start.times.append(start.do())
        for sender in everyone:
            if turn < sender.sending.runs:
                before = sink.received
                sender.sending.times.append(sender.sending.do())
                if (arrived := sink.received - before) != sender.messages:
                    raise RuntimeError(f"{sender.name}: {arrived} of {sender.messages} messages arrived")


def _ours(folder: Path, sink: Sink, is_full: bool, idle: Work, most: Mailing) -> Iterator[Sender]:
    """Both kinds of templates; then few messages, and most."""
    usual = 100_000 if is_full else _FEW

    def sender(name: str, mailing: Mailing, goal: str, runs: int = RUNS) -> Sender:
        return Sender(f"campaignctl, {name}", mailing.contacts, Work(mailing.send, runs), idle, goal)

    yield sender("a template that substitutes", published(folder, SUBSTITUTING, usual, sink.port), "≤ 0.10 ms")
    yield sender("one with a loop and an if", published(folder, ANY, usual, sink.port), "≤ 0.16 ms")
    if usual != _FEW:
        yield sender("substituting", published(folder, SUBSTITUTING, _FEW, sink.port), "")
    yield sender("substituting, one run", most, "≤ 0.10 ms, ≤ 100 MiB", runs=1)


def _peers(folder: Path, sink: Sink, times: int, missing: list[str]) -> Iterator[Sender]:
    """Those that are here or can be had; the others are noted in *missing*."""
    for name, (command, messages, goal) in PEERS.items():
        messages *= times
        try:
            send = command(folder, sink.port, messages)
        except senders.NotHereError as reason:
            missing.append(f"{name} was not measured: {reason}")
            continue
        # `smtp-source` has no such thing as nothing to send, and starts in a millisecond.
        has_start = command is not senders.smtp_source
        start = Work(_running(command(folder, sink.port, 0))) if has_start else None
        yield Sender(name, messages, Work(_running(send)), start, goal)


def _running(command: list[str]) -> Callable[[], Used]:
    return lambda: run(command)


def _growth(ours: list[Sender]) -> Iterator[str]:
    few = min(ours, key=lambda sender: sender.messages)
    for more in (ours[0], ours[-1]):
        if more is not few:
            yield (
                f"A message of {more.messages:,} costs **{more.cost / few.cost:.2f}x** the processor time of one of "
                f"{few.messages:,}, the start left out (goal ≤ 1.2x)."
            )
