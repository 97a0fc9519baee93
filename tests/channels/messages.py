"""Messages for channels to carry, and the settings of a server on this machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from campaignctl.channels.smtp.channel import SmtpChannel
from campaignctl.channels.smtp.settings import Security, SmtpSettings
from campaignctl.ports import Outcome, Outgoing

HOST = "127.0.0.1"
SENDER = "news@shop.example"
CONTENT = b"Subject: Hello\r\nTo: ada@example.org\r\n\r\nHello Ada\r\n"

# Nothing that answers is this slow, so only silence meets it.
PATIENT = timedelta(seconds=20)
SHORT = timedelta(seconds=0.5)


def a_message(
    key: str = "sale/first/c-1", content: bytes = CONTENT, recipient: str = "ada@example.org", sender: str = SENDER
) -> Outgoing:
    return Outgoing(key, sender, recipient, content)


def settings_for(
    port: int,
    *,
    user: str | None = None,
    password: str | None = None,
    security: Security = "none",
    implicit_tls: bool = False,
    connections: int = 1,
    timeout: timedelta = PATIENT,
    answer_timeout: timedelta = PATIENT,
    ca_file: Path | None = None,
    host: str = HOST,
    messages_per_connection: int = 1000,
    idle_limit: timedelta = PATIENT,
) -> SmtpSettings:
    """A relay at this port of this machine."""
    return SmtpSettings(
        host=host,
        port=port,
        user=user,
        password=password,
        security=security,
        implicit_tls=implicit_tls,
        connections=connections,
        timeout=timeout,
        local_name="client.example",
        ca_file=ca_file,
        answer_timeout=answer_timeout,
        messages_per_connection=messages_per_connection,
        idle_limit=idle_limit,
    )


def outcome_with(settings: SmtpSettings, message: Outgoing | None = None) -> Outcome:
    """What becomes of one message on a channel of its own."""
    return outcomes_with(settings, message or a_message())[0]


def outcomes_with(settings: SmtpSettings, *messages: Outgoing) -> list[Outcome]:
    """What becomes of some messages, one after the other on one channel."""
    channel = SmtpChannel(settings)
    try:
        outcomes = []
        for message in messages:
            finished = channel.exchange([message])
            assert [outcome.key for outcome in finished] == [message.key]
            outcomes += finished
        return outcomes
    finally:
        channel.close()
