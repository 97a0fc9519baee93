"""What `SmtpChannel` costs for ready-made messages, beside Postfix's `smtp-source` (C) in the same run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from campaignctl.channels.smtp.channel import SmtpChannel
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.ports import Outgoing, Verdict

SINK = "/usr/sbin/smtp-sink"
SOURCE = "/usr/sbin/smtp-source"
CONNECTIONS = 10
SIZE = 3000
# More than the connections that wait to be accepted at once.
BACKLOG = 1000


def measure(messages: int = 100_000) -> dict[str, float]:
    """Milliseconds of processor for each message and messages a second, of our process and of `smtp-source`."""
    with _sink() as port:
        our_cpu, our_seconds = _by_channel(port, messages)
    with _sink() as port:
        their_cpu, their_seconds = _by_source(port, messages)
    return {
        "messages": messages,
        "channel ms": round(our_cpu / messages * 1000, 4),
        "channel messages/s": round(messages / our_seconds),
        "smtp-source ms": round(their_cpu / messages * 1000, 4),
        "smtp-source messages/s": round(messages / their_seconds),
        "ratio of cpu": round(our_cpu / their_cpu, 2),
    }


def _by_channel(port: int, messages: int) -> tuple[float, float]:
    content = _content()
    waiting = [
        Outgoing(f"bench/first/c-{number}", f"b-{number}@shop.example", f"u{number}@example.org", content)
        for number in range(messages)
    ]
    waiting.reverse()
    channel = SmtpChannel(SmtpSettings(host="127.0.0.1", port=port, security="none", connections=CONNECTIONS))
    began, cpu = time.perf_counter(), time.process_time()
    sent = 0
    while waiting or channel.in_flight:
        room = channel.capacity - channel.in_flight
        chosen = waiting[-room:] if room else []
        del waiting[len(waiting) - len(chosen) :]
        for outcome in channel.exchange(chosen):
            if outcome.verdict is not Verdict.SENT:
                raise RuntimeError(f"not every message was taken: {outcome}")
            sent += 1
    used = time.process_time() - cpu, time.perf_counter() - began
    channel.close()
    if sent != messages:
        raise RuntimeError(f"{sent} of {messages} messages were taken")
    return used


def _by_source(port: int, messages: int) -> tuple[float, float]:
    sizes = ["-s", str(CONNECTIONS), "-m", str(messages), "-l", str(SIZE)]
    envelope = ["-f", "a@shop.example", "-t", "c@example.org"]
    began = time.perf_counter()
    process = subprocess.Popen([SOURCE, *sizes, *envelope, f"127.0.0.1:{port}"])
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"smtp-source ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, seconds


def _content() -> bytes:
    """Lines as they are in a mail of text and HTML."""
    head = b"From: Shop <news@shop.example>\r\nTo: ada@example.org\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n\r\n"
    line = b'<p style=3D"margin:0">Hello Ada, our spring sale is open, and you are invited</p>\r\n'
    return head + line * ((SIZE - len(head)) // len(line))


@contextmanager
def _sink() -> Iterator[int]:
    """A server that takes everything and keeps nothing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    user = ["-u", "root"] if os.geteuid() == 0 else []
    process = subprocess.Popen([SINK, "-c", *user, f"127.0.0.1:{port}", str(BACKLOG)], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while not _answers(port):
            if time.monotonic() > end:
                raise RuntimeError("smtp-sink does not start")
            time.sleep(0.01)
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if sys.argv[1:] else 100_000)))
