"""From the banner to the point where a message may be named: greeting, encryption, password."""

from __future__ import annotations

from base64 import b64encode

from campaignctl.channels.smtp.dialogue import Dialogue, StoppedError, Talk, Wish
from campaignctl.channels.smtp.offer import Offer
from campaignctl.channels.smtp.reply import Reply
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.channels.smtp.verdicts import Answer, Fault, FaultKind, Stage


class Opening:
    """How we introduce ourselves to one server."""

    def __init__(self, dialogue: Dialogue, settings: SmtpSettings, local_name: str) -> None:
        self._dialogue = dialogue
        self._settings = settings
        self._local_name = local_name
        self._is_secure = False
        self._offer = Offer()

    def talk(self) -> Talk[Offer]:
        """
        All of it; what the server offers in the end.

        Raises:
            StoppedError: this server cannot be used.
        """
        if self._settings.implicit_tls:
            yield from self._encrypt()
        self._dialogue.stage = Stage.BANNER
        yield from self._dialogue.expect(200)
        yield from self._greet()
        if not self._is_secure and self._settings.security != "none":
            yield from self._start_tls()
        yield from self._authenticate()
        self._dialogue.is_usable = True
        return self._offer

    def _greet(self) -> Talk[None]:
        self._dialogue.stage = Stage.EHLO
        yield b"EHLO %s\r\n" % self._local_name.encode("ascii")
        reply = yield from self._dialogue.expect(200)
        self._offer = Offer.read(reply.lines[1:])

    def _start_tls(self) -> Talk[None]:
        if not self._offer.may_start_tls:
            if self._settings.security == "required" or self._settings.has_password:
                self._dialogue.stage = Stage.TLS
                raise StoppedError(Fault(FaultKind.MISSING, "the server does not offer STARTTLS"))
            return
        self._dialogue.stage = self._tls_stage
        yield b"STARTTLS\r\n"
        yield from self._dialogue.expect(200)
        # Whoever sits on the line may have written ahead in the clear (CVE-2011-0411).
        self._dialogue.expect_silence()
        yield from self._encrypt()
        yield from self._greet()

    def _encrypt(self) -> Talk[None]:
        self._dialogue.stage = self._tls_stage
        yield Wish.START_TLS
        self._is_secure = True

    @property
    def _tls_stage(self) -> Stage:
        return Stage.TLS if self._settings.security == "required" else Stage.STARTTLS

    def _authenticate(self) -> Talk[None]:
        user, password = self._settings.user, self._settings.password
        if user is None or password is None:
            return
        self._dialogue.stage = Stage.AUTH
        plain = b64encode(f"\0{user}\0{password}".encode())
        login = b64encode(password.encode())
        try:
            if "PLAIN" in self._offer.authentication:
                yield b"AUTH PLAIN %s\r\n" % plain
            elif "LOGIN" in self._offer.authentication:
                for line in (b"AUTH LOGIN", b64encode(user.encode())):
                    yield line + b"\r\n"
                    yield from self._dialogue.expect(334)
                yield login + b"\r\n"
            else:
                detail = "the server offers neither AUTH PLAIN nor AUTH LOGIN"
                raise StoppedError(Fault(FaultKind.MISSING, detail))  # noqa: TRY301 # the password is taken out of it below
            yield from self._dialogue.expect(200)
        except StoppedError as stopped:
            raise StoppedError(_discreet(stopped.answer, password, plain.decode(), login.decode())) from None


def _discreet(answer: Answer, *secrets: str) -> Answer:
    """*answer*, unless it holds what we wrote: some servers quote the line they refuse."""
    if not any(secret and secret in answer.detail for secret in secrets):
        return answer
    words = "the answer repeats our password and is not shown"
    return Reply(answer.code, (words,)) if isinstance(answer, Reply) else Fault(answer.kind, words)
