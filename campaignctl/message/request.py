"""Requests about contacts: what another system is told, by a template or in a form of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from campaignctl.message.content import Recipient, Surroundings
from campaignctl.message.email import constant_names
from campaignctl.message.json_body import JsonTemplate, plain_json
from campaignctl.message.sandbox import contact_names


class RequestTemplate:
    """
    The body of a step's requests.

    Without a *source* the body says which campaign and step it is, and who:
    keys only. What else of a contact leaves, somebody has to have written down.
    """

    def __init__(self, name: str, source: str | None, surroundings: Surroundings, *, is_batch: bool) -> None:
        """
        Raises:
            TemplateSyntaxProblem: the template cannot be read.
        """
        self._template = None if source is None else JsonTemplate(name, source)
        self._constants = constant_names(surroundings)
        self._campaign, self._step = surroundings.campaign, surroundings.step
        self._is_batch = is_batch

    def finished(self, recipients: Sequence[Recipient]) -> bytes:
        """
        The body about these contacts, one of them unless it is a batch.

        Raises:
            RenderError: the template cannot be filled in.
        """
        contacts = [_contact(recipient) for recipient in recipients]
        if self._template is None:
            return self._default(contacts)
        names = dict(self._constants)
        if self._is_batch:
            names["contacts"] = contacts
        else:
            (recipient,) = recipients
            names |= {"contact": contacts[0], "data": recipient.data, "gate": recipient.gate}
        return self._template.render(names)

    def _default(self, contacts: Sequence[Mapping[str, Any]]) -> bytes:
        about: dict[str, Any] = {"version": 1, "campaign": self._campaign, "step": self._step}
        keys = [{"id": plain_json(contact["id"])} for contact in contacts]
        about |= {"contacts": keys} if self._is_batch else {"contact": keys[0]}
        return json.dumps(about, ensure_ascii=False).encode()


def _contact(recipient: Recipient) -> dict[str, Any]:
    return contact_names(recipient.contact)
