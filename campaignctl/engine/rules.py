"""What the project says about sending, as the delivery loop needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from campaignctl.flow.rates import FrequencyCap, Rate
from campaignctl.flow.windows import Hours
from campaignctl.message.marks import Callbacks, Marks
from campaignctl.message.return_path import ReturnPath
from campaignctl.message.text import ANY_SMS, SmsRules
from campaignctl.project import Project


class Signature(Protocol):
    """Signs finished e-mail: a `message.dkim.DkimSignature`."""

    def on(self, message: bytes, at: datetime) -> bytes: ...


@dataclass(frozen=True)
class SendingRules:
    """
    Rules that hold for every message, read from the project file when the daemon starts.

    With *may_repeat* a message without a verdict is tried again. Without a
    *return_path* reports go to the sender. With *marks* messages carry what
    providers give back, text messages name *callbacks* to tell it at, and with
    a *signature* the domain vouches for messages.
    """

    may_repeat: bool = True
    quiet: Hours | None = None
    cap: FrequencyCap | None = None
    rate: Rate | None = None
    return_path: ReturnPath | None = None
    marks: Marks | None = None
    signature: Signature | None = None
    callbacks: Callbacks | None = None
    sms_rate: Rate | None = None
    sms: SmsRules = ANY_SMS

    def rate_of(self, channel: str) -> Rate | None:
        """The rate of a whole channel; endpoints of webhooks have none, their steps do."""
        return {"email": self.rate, "sms": self.sms_rate}.get(channel)

    @classmethod
    def of(
        cls,
        project: Project,
        return_path: ReturnPath | None = None,
        marks: Marks | None = None,
        signature: Signature | None = None,
        callbacks: Callbacks | None = None,
    ) -> SendingRules:
        """The rules of a project."""
        send, email, sms = project.send, project.channels.email, project.channels.sms
        return cls(
            may_repeat=send.guarantee == "at_least_once",
            quiet=None if send.quiet_hours is None else Hours.parse(send.quiet_hours),
            cap=None
            if send.frequency_cap is None
            else FrequencyCap(send.frequency_cap.messages, send.frequency_cap.per),
            rate=None if email is None or email.rate is None else Rate.parse(email.rate),
            return_path=return_path,
            sms_rate=None if sms is None or sms.rate is None else Rate.parse(sms.rate),
            sms=sms_rules(project),
            marks=marks,
            signature=signature,
            callbacks=callbacks,
        )

    def leaving(self, message: bytes, step_id: int, contact_id: int, made_at: datetime) -> bytes:
        """A finished e-mail as it leaves: the same bytes at each attempt."""
        if self.marks is not None:
            message = self.marks.on(message, step_id, contact_id)
        # Last, and over none of the marks: providers take them out.
        return message if self.signature is None else self.signature.on(message, made_at)


def sms_rules(project: Project) -> SmsRules:
    """What the project says about text messages, and about the requests that carry them."""
    sms = project.channels.sms
    if sms is None:
        return ANY_SMS
    endpoint = project.endpoints.get(sms.endpoint)
    request = None if endpoint is None or endpoint.request is None else endpoint.request
    return SmsRules(
        sms.from_,
        sms.country,
        sms.countries,
        sms.max_parts,
        None if request is None else (request.body, request.content_type),
    )
