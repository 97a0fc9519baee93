"""What `SmtpChannel` costs for ready-made messages, beside Postfix's `smtp-source` (C) in the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from bench.sink import running_sink
from campaignctl.channels.smtp.channel import SmtpChannel
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.ports import Outgoing, Verdict

SOURCE = "/usr/sbin/smtp-source"
CONNECTIONS = 10
SIZE = 3000


def measure(messages: int = 100_000) -> dict[str, float]:
    """Milliseconds of processor for each message and messages a second, of our process and of `smtp-source`."""
    with running_sink() as sink:
        our_cpu, our_seconds = _by_channel(sink.port, messages)
    with running_sink() as sink:
        their_cpu, their_seconds = _by_source(sink.port, messages)
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


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if sys.argv[1:] else 100_000)))
