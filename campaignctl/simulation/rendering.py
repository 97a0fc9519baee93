"""Whether messages can be made: proven where it can be, tried where it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from campaignctl.campaign.attribute import AttributeType
from campaignctl.engine.messages import Messages
from campaignctl.engine.queues import StepQueue
from campaignctl.message.address import is_address
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import Cohort
from campaignctl.simulation.assumptions import mixed_for
from campaignctl.store.virtual.ledger import VirtualLedger

# So many errors of a step are explained.
MOST_EXPLAINED: Final = 20


@dataclass(frozen=True)
class Checked:
    """How the messages of a step were looked at: how many were rendered, and how many of how many could not be."""

    rendered: int
    not_checked: int


@dataclass
class MessageCheck:
    """
    Finds the messages that cannot be made, before they leave.

    Of a template that nothing is proven of, at most so many messages are
    rendered; they are a sample, drawn by the seed.
    """

    seed: str
    most_rendered: int
    found: dict[str, Checked] = field(default_factory=dict)

    def look_at(self, queue: StepQueue, messages: Messages, ledger: VirtualLedger, now: datetime) -> None:
        """Look at all messages of a step that is about to send."""
        cohort, verb = queue.cohort, queue.cohort.step.verb
        proof = None
        if verb == "email":
            proof = messages.template(cohort.campaign, cohort.step.name).proof(_types(cohort, ledger))
        if ledger.progress.knows_addresses != verb:
            # Of a number rendering says what is wrong with it.
            ledger.find_unusable_addresses(cohort, is_address if verb == "email" else bool)
            ledger.progress.knows_addresses = verb
        if proof is not None and ledger.all_have(cohort, proof.needed):
            self.found[cohort.step.name] = Checked(0, 0)
            return
        ledger.mark_unmade(cohort, () if proof is None else proof.required)
        needed = None if proof is None else proof.needed
        doubtful = ledger.to_render_count(cohort, needed)
        sample = None
        if doubtful > self.most_rendered:
            ledger.draw(cohort.campaign, self.seed)
            sample = (max(1, 1000 * self.most_rendered // doubtful), mixed_for(self.seed, f"{cohort.step.name}/sample"))
        rendered = 0
        errors: list[tuple[int, str, str]] = []
        for candidate in ledger.to_render(cohort, needed, now, sample):
            rendered += 1
            made = queue.make(candidate)
            if isinstance(made, RenderError):
                errors.append((candidate.contact_id, made.reason, str(made)))
        ledger.write_errors(cohort, errors)
        self._explain(queue, ledger, now)
        self.found[cohort.step.name] = Checked(rendered, doubtful - rendered)

    def _explain(self, queue: StepQueue, ledger: VirtualLedger, now: datetime) -> None:
        """Say why the first of the messages cannot be made of which it is only proven."""
        errors = []
        for candidate in ledger.unexplained(queue.cohort, now, MOST_EXPLAINED):
            made = queue.make(candidate)
            if isinstance(made, RenderError):
                errors.append((candidate.contact_id, made.reason, str(made)))
        ledger.write_errors(queue.cohort, errors)


def _types(cohort: Cohort, ledger: VirtualLedger) -> dict[str, AttributeType]:
    """The attributes as templates know them."""
    contacts = ledger.contact_list(cohort.campaign)
    types = {attribute.name: attribute.type for attribute in contacts.attributes.values()}
    return types | {"id": AttributeType.TEXT, "email": AttributeType.TEXT}
