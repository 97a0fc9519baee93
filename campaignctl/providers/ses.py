"""
Amazon SES, over a topic of its notification service.

Both of its forms are read: event publishing by a configuration set, which
brings our mark among the tags of the message, and feedback notifications of an
identity, which bring it among the headers where these are included
(https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html).
"""

from __future__ import annotations

from datetime import datetime

from campaignctl.message.marks import HEADER, NAME
from campaignctl.providers.event import Happened, ProviderEvent, instant_in, is_hard, kept_url
from campaignctl.providers.request import Part, ProviderRequest, objects_in
from campaignctl.providers.sns import Fetch, Topic


class Ses:
    """The events of an Amazon SES account that one topic brings."""

    def __init__(self, topic: str, fetch: Fetch) -> None:
        self._topic = Topic(topic, fetch)

    def events(self, request: ProviderRequest, now: datetime) -> list[ProviderEvent]:
        """
        What a request tells; a subscription is confirmed.

        Raises:
            UnverifiedError: its signature is wrong or old, or it is of another topic.
            UnreachableError: the certificate cannot be had now, or the subscription not be confirmed.
            UnreadableError: it is not in the form of SNS or SES.
        """
        envelope = self._topic.opened(request, now)
        if envelope.type == "SubscriptionConfirmation":
            self._topic.confirm(envelope.subscribe_url)
        if envelope.type != "Notification":
            return []
        # A topic says hello in plain words when SES is connected to it.
        if not envelope.message.lstrip().startswith("{"):
            return []
        found = [_event(told) for told in objects_in(envelope.message.encode())]
        return [event for event in found if event is not None]


def _event(told: Part) -> ProviderEvent | None:
    mark = _mark(told.part("mail"))
    match told.text("eventType") or told.text("notificationType"):
        case "Delivery":
            return ProviderEvent(Happened.DELIVERED, instant_in(told.part("delivery").text("timestamp")), mark)
        case "Bounce":
            return _bounce(told.part("bounce"), mark)
        case "Complaint" if told.part("complaint").text("complaintFeedbackType") != "not-spam":
            return ProviderEvent(Happened.COMPLAINT, instant_in(told.part("complaint").text("timestamp")), mark)
        case "Open":
            return ProviderEvent(Happened.OPEN, instant_in(told.part("open").text("timestamp")), mark)
        case "Click":
            click = told.part("click")
            return ProviderEvent(
                Happened.CLICK, instant_in(click.text("timestamp")), mark, kept_url(click.text("link"))
            )
        case "Subscription":
            return _subscription(told.part("subscription"), mark)
    return None


def _bounce(bounce: Part, mark: str) -> ProviderEvent:
    # Our messages have one recipient each.
    said = " ".join(
        f"{each.text('status')} {each.text('diagnosticCode')}" for each in bounce.parts("bouncedRecipients")
    )
    hard = is_hard(bounce.text("bounceType") == "Permanent", said)
    return ProviderEvent(Happened.BOUNCE, instant_in(bounce.text("timestamp")), mark, is_hard=hard)


def _subscription(subscription: Part, mark: str) -> ProviderEvent | None:
    """Whoever left a topic of theirs has not left us; whoever left all of them has."""
    if not subscription.part("newTopicPreferences").is_true("unsubscribeAll"):
        return None
    return ProviderEvent(Happened.UNSUBSCRIBE, instant_in(subscription.text("timestamp")), mark)


def _mark(mail: Part) -> str:
    for tag in mail.part("tags").texts(NAME):
        return tag
    for header in mail.parts("headers"):
        if header.text("name").lower() == HEADER.lower():
            return header.text("value")
    return ""
