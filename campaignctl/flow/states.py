"""The states of campaigns, steps and deliveries: the words of the database and of the screen."""

from enum import StrEnum


class CampaignState(StrEnum):
    """Where a campaign stands."""

    PENDING_APPROVAL = "pending_approval"  # published, and somebody else has to agree
    ACTIVE = "active"  # its steps run when they are due
    PAUSED = "paused"  # no step begins and no message leaves
    COMPLETED = "completed"  # its last step is done
    STOPPED = "stopped"  # final: somebody ended it

    @property
    def may_stop(self) -> bool:
        return self in (CampaignState.PENDING_APPROVAL, CampaignState.ACTIVE, CampaignState.PAUSED)


class StepState(StrEnum):
    """Where a step of a live campaign stands."""

    SCHEDULED = "scheduled"  # has an instant to come
    WAITING = "waiting"  # has no time of its own: runs when the request comes
    RUNNING = "running"  # its cohort is being worked on
    HELD = "held"  # a gate, a test or a person has to decide
    DONE = "done"  # final: the whole cohort was worked on
    SKIPPED = "skipped"  # final: it came too late, as `if_late` says
    CANCELLED = "cancelled"  # final: the campaign was stopped before

    @property
    def is_final(self) -> bool:
        return self in (StepState.DONE, StepState.SKIPPED, StepState.CANCELLED)


class DeliveryState(StrEnum):
    """Where one message to one contact stands."""

    QUEUED = "queued"  # may be sent
    HELD = "held"  # made, and waits for a gate
    SENDING = "sending"  # the intent is on disk; the network may have seen it
    SENT = "sent"  # the server took it
    DEFERRED = "deferred"  # refused for now; has a next attempt
    UNCERTAIN = "uncertain"  # no verdict after the last byte may have left
    FAILED = "failed"  # final: refused for good
    SKIPPED = "skipped"  # final: not to be sent to this contact
    REJECTED = "rejected"  # final: a gate said no
    CANCELLED = "cancelled"  # final: the campaign was stopped before

    @property
    def is_final(self) -> bool:
        return self not in _OPEN


class GateState(StrEnum):
    """Where a send gate stands."""

    REQUESTED = "requested"  # opened, and its endpoint has not taken the request yet
    ASKED = "asked"  # the endpoint took the request, and has not answered
    ANSWERED = "answered"  # final: the other system has decided
    RELEASED = "released"  # final: a person let everything go on
    REJECTED = "rejected"  # final: a person let nothing go on
    TIMED_OUT = "timed_out"  # final: no answer came in time
    CANCELLED = "cancelled"  # final: the campaign was stopped before

    @property
    def is_open(self) -> bool:
        return self in (GateState.REQUESTED, GateState.ASKED)


_OPEN = frozenset(
    {
        DeliveryState.QUEUED,
        DeliveryState.HELD,
        DeliveryState.SENDING,
        DeliveryState.DEFERRED,
        DeliveryState.UNCERTAIN,
    }
)
