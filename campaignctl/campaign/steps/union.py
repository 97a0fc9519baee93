"""Every verb of the language: a new one is a module beside this one, and a name here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from campaignctl.campaign.steps import split as split_module
from campaignctl.campaign.steps.base import Gate, StepBase
from campaignctl.campaign.steps.effects import Deliver
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.exit import ExitStep
from campaignctl.campaign.steps.export import ExportStep
from campaignctl.campaign.steps.gate import GateStep
from campaignctl.campaign.steps.set import SetStep
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.split import SplitStep
from campaignctl.campaign.steps.webhook import WebhookStep

VERBS = ("email", "sms", "webhook", "set", "split", "gate", "export", "exit")
SENDING_VERBS = ("email", "sms")
COMMON_KEYS = tuple(StepBase.model_fields)


def verb_of(step: StepBase) -> str:
    """The key that says what *step* does."""
    return next(name for name in type(step).model_fields if name in VERBS)


def _tag(value: Any) -> str | None:
    if isinstance(value, StepBase):
        return f"<{verb_of(value)}>"
    verbs = [key for key in value if key in VERBS] if isinstance(value, dict) else []
    return f"<{verbs[0]}>" if len(verbs) == 1 else None


AnyStep = Annotated[
    Annotated[EmailStep, Tag("<email>")]
    | Annotated[SmsStep, Tag("<sms>")]
    | Annotated[WebhookStep, Tag("<webhook>")]
    | Annotated[SetStep, Tag("<set>")]
    | Annotated[SplitStep, Tag("<split>")]
    | Annotated[GateStep, Tag("<gate>")]
    | Annotated[ExportStep, Tag("<export>")]
    | Annotated[ExitStep, Tag("<exit>")],
    Discriminator(_tag, custom_error_type="step", custom_error_message="step"),
]

# What this version's engine can carry out; the others are read and checked only.
RunnableStep = EmailStep | SmsStep | WebhookStep | SetStep | SplitStep | GateStep | ExportStep | ExitStep

# A split's branches hold steps of every verb, so the name is filled in here.
vars(split_module)["AnyStep"] = AnyStep


def branches_of(step: StepBase) -> tuple[Any, ...]:
    """The branches of a split, in the order written; nothing for other verbs."""
    return tuple(step.split.branches) if isinstance(step, SplitStep) else ()


def makes_deliveries(step: StepBase) -> bool:
    """Whether every contact of its cohort gets a delivery."""
    return isinstance(step, RunnableStep) and isinstance(step.effect(), Deliver)


def gate_of(step: StepBase) -> Gate | None:
    """The send gate of a message, or the one that a step is."""
    match step:
        case GateStep():
            return step.gate
        case EmailStep():
            return step.email.gate
        case SmsStep():
            return step.sms.gate
        case _:
            return None


def every_step(steps: Iterable[StepBase]) -> Iterator[StepBase]:
    """*steps* and those inside their branches, in the order written."""
    for step in steps:
        yield step
        for branch in branches_of(step):
            yield from every_step(branch.steps)
