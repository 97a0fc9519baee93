"""One connection to the relay: a line and a dialogue, driven by events, every error turned into a verdict."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from enum import Enum, auto
from selectors import BaseSelector
from time import monotonic
from typing import Final

from campaignctl.channels.smtp.conversation import Conversation
from campaignctl.channels.smtp.dialogue import READ, Dialogue, StoppedError, Talk, Wish
from campaignctl.channels.smtp.faults import fault_of
from campaignctl.channels.smtp.line import Line
from campaignctl.channels.smtp.opening import Opening
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.channels.smtp.verdicts import Answer, Fault, FaultKind, Stage, verdict_on
from campaignctl.ports import Outcome, Outgoing

GOODBYE_PATIENCE: Final = 2.0

_OUR_DOING: Final = (FaultKind.UNFIT, FaultKind.ABANDONED)


class Phase(Enum):
    """What a connection is good for at the moment."""

    OPENING = auto()  # not for messages yet
    IDLE = auto()  # takes a message
    BUSY = auto()  # carries one
    LEAVING = auto()  # has said QUIT, and waits for the end
    GONE = auto()  # closed


# Members of an enumeration are slow to look up in Python 3.11, and these are met with every message.
_LEAVING, _ANSWER = Phase.LEAVING, Stage.ANSWER


class Connection:
    """
    Opens itself, carries one message at a time, and stays open in between.

    Nothing here waits: whoever owns the selector calls `proceed` to begin and
    whenever it names this connection, `expire` when `deadline` has passed, and
    looks at `phase`, `outcome` and `message` afterwards.

    A server may close between two messages whenever it likes (after so many,
    or so long). That is not the next message's failure: it stays in `message`,
    without an outcome, and goes out on another connection.
    """

    def __init__(self, settings: SmtpSettings, trust: ssl.SSLContext | None, selector: BaseSelector) -> None:
        self.phase = Phase.OPENING
        self.message: Outgoing | None = None
        self.outcome: Outcome | None = None
        self.failure: tuple[Stage, Answer] | None = None  # why it could not be opened
        self._settings = settings
        self._trust = trust
        self._patience = settings.timeout.total_seconds()
        self._answer_patience = settings.answer_timeout.total_seconds()
        self._idle_limit = settings.idle_limit.total_seconds()
        self._dialogue = Dialogue()
        self._conversation: Conversation | None = None
        self._talk: Talk[None] = self._opened()
        self._unsent = b""
        self._carried = 0
        self._idle_since = 0.0
        self.deadline = monotonic() + self._patience
        self._next: Callable[[], None] = self._connect
        self._line = Line(settings.host, settings.port, selector, self)

    def proceed(self) -> None:
        """Do what can be done without waiting."""
        try:
            self._next()
        except (OSError, StoppedError) as error:
            self._broke(error)

    def carry(self, message: Outgoing) -> None:
        """Take *message*; the connection is idle."""
        self.phase = Phase.BUSY
        self.message = message
        self._carried += 1
        self._begin(self._delivered(message))

    def leave(self) -> None:
        """Say good-bye, and close when it was heard."""
        self.phase = Phase.LEAVING
        self._begin(self._left())

    def expire(self) -> None:
        """The time is over for what was waited for."""
        self._broke(TimeoutError())

    def break_off(self) -> None:
        """Close now, whatever is under way."""
        self._broke(StoppedError(Fault(FaultKind.ABANDONED, "the channel was abandoned before there was an answer")))

    def is_worn(self, now: float) -> bool:
        """Whether an idle connection is not to be used again: it has carried much, or was idle for long."""
        if not self._carried:
            return False
        return self._carried >= self._settings.messages_per_connection or now - self._idle_since >= self._idle_limit

    # --- what is going on ---

    def _opened(self) -> Talk[None]:
        name = self._settings.local_name or self._line.name
        offer = yield from Opening(self._dialogue, self._settings, name).talk()
        self._conversation = Conversation(self._dialogue, offer)
        self._become_idle()

    def _delivered(self, message: Outgoing) -> Talk[None]:
        stage, answer = yield from self._open_conversation.carried(message)
        self._settle(message, stage, answer)

    def _left(self) -> Talk[None]:
        yield from self._open_conversation.ended()
        self._close()

    @property
    def _open_conversation(self) -> Conversation:
        assert self._conversation is not None, "an open connection has one"
        return self._conversation

    def _settle(self, message: Outgoing, stage: Stage, answer: Answer) -> None:
        if self._dialogue.is_usable:
            self._become_idle()
        else:
            self._close()
        if self._carried == 1 or not _is_about_the_connection(stage, answer):
            self.outcome = verdict_on(message.key, stage, answer)
            self.message = None

    def _become_idle(self) -> None:
        self.phase = Phase.IDLE
        self._idle_since = monotonic()
        self._next = self._overhear

    def _broke(self, error: OSError | StoppedError) -> None:
        stage = self._dialogue.stage
        if isinstance(error, TimeoutError) and stage is Stage.CONNECT and self._line.may_try_next:
            try:
                self._line.try_next()
            except OSError as failure:
                error = failure
            else:
                self.deadline = monotonic() + self._patience
                return
        answer = error.answer if isinstance(error, StoppedError) else fault_of(error, self._settings.host)
        self._dialogue.is_usable = False
        if self.message is not None:
            settled = self._open_conversation.settled or (stage, answer)
            self._settle(self.message, *settled)
            return
        if self.phase is Phase.OPENING:
            self.failure = stage, answer
        self._close()

    def _close(self) -> None:
        self.phase = Phase.GONE
        self._line.close()

    # --- following the talk ---

    def _begin(self, talk: Talk[None]) -> None:
        self._talk = talk
        try:
            self._go_on()
        except (OSError, StoppedError) as error:
            self._broke(error)

    def _go_on(self, received: bytes | None = None) -> None:
        """Do what the talk asks for, until that has to wait for the other side."""
        talk = self._talk
        try:
            while True:
                wish = next(talk) if received is None else talk.send(received)
                received = None
                if wish is READ:
                    self._next = self._read
                    self._line.await_data()
                    return
                if wish is Wish.START_TLS:
                    assert self._trust is not None, "settings with TLS come with a context"
                    self._line.wrap(self._trust)
                    self._next = self._shake_hands
                    self._renew_deadline()
                    if not self._line.is_secure():
                        return
                elif not self._is_written(wish):
                    return
        except StopIteration:
            return

    def _is_written(self, data: bytes) -> bool:
        """Write *data*; whether all of it went. The rest goes when there is room."""
        while True:
            self._renew_deadline()
            sent = self._line.send(data)
            if sent == len(data):
                return True
            data = data[sent:]
            if not sent:
                self._unsent = data
                self._next = self._write
                return False

    def _renew_deadline(self) -> None:
        """
        From here on the other side has its time anew.

        There is one deadline for all that is read after a write: a server that
        drips must not hold us for ever.
        """
        if self.phase is _LEAVING:
            patience = GOODBYE_PATIENCE
        elif self._dialogue.stage is _ANSWER:
            patience = self._answer_patience
        else:
            patience = self._patience
        self.deadline = monotonic() + patience

    # --- what `proceed` does next ---

    def _connect(self) -> None:
        if self._line.is_connected():
            self._renew_deadline()
            self._go_on()

    def _shake_hands(self) -> None:
        if self._line.is_secure():
            self._renew_deadline()
            self._go_on()

    def _write(self) -> None:
        if self._is_written(self._unsent):
            self._unsent = b""
            self._go_on()

    def _read(self) -> None:
        received = self._line.receive()
        if received is not None:
            self._go_on(received)

    def _overhear(self) -> None:
        """A good-bye, the end, or noise, while nothing was asked: no connection for the next message."""
        if self._line.receive() is not None:
            self._close()


def _is_about_the_connection(stage: Stage, answer: Answer) -> bool:
    """
    Whether a connection in use ended before the server had looked at the message.

    MAIL, RCPT and DATA may have been written already; without content they
    cannot lead to an acceptance.
    """
    if isinstance(answer, Fault) and answer.kind in _OUR_DOING:
        return False
    if stage is Stage.RESET:
        return True
    return stage is Stage.MAIL and (isinstance(answer, Fault) or answer.code == 421)
