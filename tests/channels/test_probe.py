"""Asking a relay whether it would take messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from channels.certificates import certificate, shown_by_server
from channels.mail_server import MailServer
from channels.messages import settings_for
from channels.scripted_relay import End, Script, ScriptedRelay

from campaignctl.channels.smtp.probe import trouble_with

SOON = timedelta(seconds=0.2)


def test_a_relay_that_is_ready_is_greeted_and_left_and_no_sender_is_named() -> None:
    with ScriptedRelay() as relay:
        assert trouble_with(settings_for(relay.port)) is None
    assert relay.heard[0].verbs == ["EHLO", "QUIT"]


def test_a_password_and_a_certificate_are_tried(tmp_path: Path) -> None:
    file = certificate(tmp_path, "127.0.0.1")
    with MailServer(starttls=shown_by_server(file), accounts={"shop": "secret"}) as server:
        good = replace(settings_for(server.port), security="required", ca_file=file, user="shop", password="secret")
        assert trouble_with(good) is None
        wrong = trouble_with(replace(good, password="wrong"))
        stranger = trouble_with(replace(good, ca_file=None))
    assert wrong is not None
    assert wrong.reason == "auth_refused"
    assert stranger is not None
    assert (stranger.reason, "certificate" in stranger.detail) == ("tls_required", True)
    assert server.taken == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ({"banner": b"554 not you\r\n"}, "relay_down"),
        ({"banner": b"SSH-2.0-OpenSSH\r\n"}, "relay_down"),
        ({"banner": End.CLOSE}, "relay_down"),
        ({"banner": End.SILENCE}, "relay_down"),
        ({"EHLO": b"421 too busy\r\n"}, "relay_down"),
        ({"EHLO": End.RESET}, "relay_down"),
    ],
)
def test_what_a_message_would_meet_is_told(script: Script, reason: str) -> None:
    with ScriptedRelay(script) as relay:
        trouble = trouble_with(settings_for(relay.port), SOON)
    assert trouble is not None
    assert trouble.reason == reason
    assert trouble.detail


def test_nobody_there_is_told() -> None:
    with ScriptedRelay() as relay:
        port = relay.port
    trouble = trouble_with(settings_for(port))
    assert trouble is not None
    assert trouble.reason == "relay_down"


def test_a_relay_that_hangs_up_before_the_good_bye_was_ready_all_the_same() -> None:
    with ScriptedRelay({"QUIT": End.RESET}) as relay:
        assert trouble_with(settings_for(relay.port)) is None
