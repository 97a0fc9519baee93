"""Templates whose result is an attribute's value: what `set` gives each contact."""

from __future__ import annotations

from collections.abc import Mapping

from campaignctl.message.content import Recipient, Surroundings
from campaignctl.message.email import names_for
from campaignctl.message.sandbox import CompiledTemplate


class ValueTemplates:
    """Several attributes' templates, filled in together."""

    def __init__(self, templates: Mapping[str, str], surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._templates = {name: CompiledTemplate(name, source, is_html=False) for name, source in templates.items()}

    def render(self, recipient: Recipient) -> dict[str, str]:
        """
        The value of each attribute for one contact, as text.

        Raises:
            RenderError: a template cannot be filled in.
        """
        names = names_for(recipient, self._surroundings, "")
        return {name: template.render(names) for name, template in self._templates.items()}
