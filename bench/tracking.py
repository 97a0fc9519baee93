"""How many opens and clicks the service answers a second, alone and beside a sender, under `wrk`."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.mailing import SUBSTITUTING, TRACKED, Mailing, published
from bench.processes import start
from bench.results import Section
from bench.sink import PROGRAM as SINK
from bench.sink import Sink, running_sink
from campaignctl.clock import SystemClock
from campaignctl.message.links import Purpose, link_number
from campaignctl.wiring import opened_store, signer_of

RUNS = 3
_SECONDS = 10
_READERS = 20_000  # whose messages are opened and clicked
_OTHERS = 200_000  # to whom the sender writes meanwhile: more than it can in that time
_CONNECTIONS = 32
_ABOUT = (
    f"`wrk` with {_CONNECTIONS} connections for {_SECONDS} seconds asks for the images and links of {_READERS:,}\n"
    "messages that were sent, each in turn. The daemon and the service are processes of their own on one store, and\n"
    f"share the processor with `wrk` and Postfix's `smtp-sink`. Medians of {RUNS} runs that took turns."
)
_HEADER = (
    "asked for",
    "answers a second",
    "ratio",
    "processor an answer",
    "p50",
    "p99",
    "messages a second meanwhile",
    "goal",
)
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_AT = r"{}%\s+([\d.]+)(us|ms|s)\b"
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Load(NamedTuple):
    """
    What was seen of one run of `wrk`.

    Answers a second, milliseconds until half and 99 % of them, messages that a
    sender got through a second, and seconds of the service's processor for each
    answer.
    """

    rate: float
    middle: float
    slowest: float
    sent: float
    processor: float


def measure() -> Section:
    """Nothing to note, opens and clicks, and the same while a daemon sends."""
    missing = [str(name) for name in (SINK, shutil.which("wrk") or "wrk") if not Path(name).exists()]
    if missing:
        return Section("Tracking", _ABOUT, _HEADER, [], [f"Not measured: there is no {' and no '.join(missing)}."])
    with tempfile.TemporaryDirectory() as name, running_sink() as sink:
        folder = Path(name)
        mailing = _mailing(folder, sink)
        paths = _script(folder / "hits.lua", _paths(mailing.store))
        nothing = _script(folder / "nothing.lua", [f"/o/{'A' * 36}"])
        runs: dict[str, list[Load]] = {"a link of nobody": [], "opens and clicks": [], "the same beside a sender": []}
        for _ in range(RUNS):
            runs["a link of nobody"].append(_loaded(mailing, sink, nothing))
            runs["opens and clicks"].append(_loaded(mailing, sink, paths))
            runs["the same beside a sender"].append(_loaded(mailing, sink, paths, is_sending=True))
    bare = median(each.rate for each in runs["a link of nobody"])
    rows = [_row(what, found, bare) for what, found in runs.items()]
    return Section("Tracking", _ABOUT, _HEADER, rows, ["* Every answered hit was in the store when the service ended."])


def _row(what: str, found: list[Load], bare: float) -> list[str]:
    rate, sent = median(each.rate for each in found), median(each.sent for each in found)
    return [
        what,
        f"{rate:,.0f}",
        f"**{rate / bare:.2f}x**",
        f"{median(each.processor for each in found) * 1e6:.0f} µs",
        f"{median(each.middle for each in found):.1f} ms",
        f"{median(each.slowest for each in found):.1f} ms",
        f"{sent:,.0f}" if sent else "",
        "≥ 2,000 a second" if sent else "",
    ]


def _mailing(folder: Path, sink: Sink) -> Mailing:
    """A store in which a tracked campaign has been sent, and a larger one waits."""
    tracked = published(folder, TRACKED, _READERS, sink.port)
    tracked.send()
    store = folder / "both.db"
    shutil.copyfile(tracked.copy, store)
    return published(folder, SUBSTITUTING, _OTHERS, sink.port, onto=store)


def _paths(store: Path) -> list[str]:
    """The image and the first link of every message that was sent."""
    with sqlite3.connect(store) as connection:
        sent = connection.execute("SELECT step_id, contact_id FROM deliveries WHERE state = 'sent'").fetchall()
    connection.close()
    with opened_store(store, SystemClock()) as opened:
        signer = signer_of(opened, SystemClock())
    first = [link_number(1)]
    opens = [f"/o/{signer.token(Purpose.OPEN, *each)}" for each in sent]
    clicks = [f"/c/{signer.click_tokens(*each, first)[0]}" for each in sent]
    return [path for pair in zip(opens, clicks, strict=True) for path in pair]


def _script(file: Path, paths: list[str]) -> Path:
    listed = ",\n".join(f'"{path}"' for path in paths)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    file.write_text(
        f"local paths = {{{listed}}}\nlocal place = 0\n"
        "function request()\n  place = place % #paths + 1\n"
        f'  return wrk.format("GET", paths[place], {{["User-Agent"] = "{agent}"}})\nend\n'
    )
    return file


def _loaded(mailing: Mailing, sink: Sink, script: Path, *, is_sending: bool = False) -> Load:
    mailing.renew()
    with _service(mailing) as (address, spent):
        daemon = start(mailing.command("run", "--until-idle")) if is_sending else None
        before = sink.received
        while daemon and sink.received == before:
            time.sleep(0.05)
        before, began, used = sink.received, time.perf_counter(), spent()
        said = subprocess.run(
            ["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{_SECONDS}s", "--latency", "-s", str(script), address],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        processor = spent() - used
        sent = (sink.received - before) / (time.perf_counter() - began) if daemon else 0.0
        if daemon:
            daemon.terminate()
            daemon.wait()
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    answered = int(re.findall(r"(\d+) requests in", said)[0])
    with sqlite3.connect(mailing.copy) as connection:
        noted = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    connection.close()
    if script.name == "hits.lua" and noted < answered:
        raise RuntimeError(f"{noted} of {answered} hits were noted")
    return Load(float(_RATE.findall(said)[0]), _quantile(said, 50), _quantile(said, 99), sent, processor / answered)


def _quantile(said: str, percent: int) -> float:
    number, unit = re.findall(_AT.format(percent), said)[0]
    return float(number) * _MILLISECONDS[unit]


def _processor_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _service(mailing: Mailing) -> Iterator[tuple[str, Callable[[], float]]]:
    """Where the service answers, and what says how many seconds of the processor it has taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = start(mailing.command("serve", "--listen", f"127.0.0.1:{port}"))
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", partial(_processor_of, process.pid)
    finally:
        process.terminate()
        if process.wait(60):
            raise RuntimeError(f"serve ended with {process.returncode}")
