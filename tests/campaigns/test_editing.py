"""Campaigns that are changed while they run."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from world import World

from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.pausing import pause, resume
from campaignctl.permitting import Consent
from campaignctl.ports import Verdict
from campaignctl.proposing import Action
from campaignctl.publishing import proposal_of, publish
from campaignctl.store.checks.check import check_store

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"


def email(step: str, at: str, subject: str = "Hi", more: str = "", body: str = "hello.md") -> str:
    return f"  - {{id: {step}, at: {at}, email: {{subject: {subject}, body: {body}{more}}}}}\n"


FIRST = email("first", "2026-12-01 10:05")
SECOND = email("second", "2026-12-02 09:00")
THIRD = email("third", "2026-12-03 09:00")
THREE = HEAD + FIRST + SECOND + THIRD


def subjects(world: World) -> list[str]:
    return [str(message_from_bytes(each.content, policy=policy.default)["Subject"]) for each in world.email.sent]


def refusal(world: World, text: str, *, is_live: bool = False) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        world.publish(text, is_live=is_live)
    return caught.value


@pytest.fixture
def begun(world: World) -> World:
    """A day after the first of three messages went out to three contacts."""
    world.contacts()
    world.publish(THREE)
    world.run_until("2026-12-01 12:00")
    return world


def test_a_corrected_text_is_what_contacts_get(begun: World) -> None:
    done = begun.publish(THREE.replace(THIRD, email("third", "2026-12-03 09:00", "Corrected")))
    assert (done.action, done.version, done.state) == (Action.UPDATE, 2, CampaignState.ACTIVE)
    begun.run_until("2026-12-04 00:00")
    assert subjects(begun) == ["Hi"] * 6 + ["Corrected"] * 3
    assert [step.version for step in begun.campaign().steps] == [1, 2, 2]


def test_a_daemon_at_work_takes_what_was_published_meanwhile(world: World) -> None:
    world.contacts()
    world.publish(THREE)
    daemon = world.daemon()
    world.run_until("2026-12-01 12:00", daemon)
    world.publish(
        HEAD + FIRST + SECOND.replace("Hi", "New") + email("between", "2026-12-02 10:00", "Added") + THIRD, is_live=True
    )
    world.run_until("2026-12-04 00:00", daemon)
    assert subjects(world) == ["Hi"] * 3 + ["New"] * 3 + ["Added"] * 3 + ["Hi"] * 3


def test_a_step_that_has_begun_keeps_its_version_for_messages_that_leave_later(world: World) -> None:
    """The body's bytes are the same at each attempt, whatever was published between them."""
    # Given two messages of the first step that are tried again
    world.contacts()
    world.publish(THREE)
    world.email.answer("ada@example.org", Verdict.DEFERRED)
    world.email.answer("alan@example.org", Verdict.UNCERTAIN)
    world.run_until("2026-12-01 10:06")

    # When the shop moves, and the address of that moment is published
    project = world.folder / "campaignctl.yaml"
    project.write_text(project.read_text("utf-8").replace("1 rue de la Paix", "2 rue Neuve"), "utf-8")
    assert world.publish(THREE).version == 2
    world.run_until("2026-12-02 12:00", world.daemon())

    # Then they leave as they were made, and the next step's with the new one
    assert (world.deliveries("first"), world.deliveries("second")) == ({"sent": 3}, {"sent": 3})
    assert [b"2 rue Neuve" in each.content for each in world.email.sent] == [False] * 3 + [True] * 3


def test_the_safety_delay_counts_for_the_times_that_a_publication_gave(begun: World) -> None:
    # Given an edit four minutes before the second message
    begun.at("2026-12-02 08:56")

    # When its text changes and the third message comes forward to a minute after it
    done = begun.publish(
        HEAD + FIRST + SECOND.replace("Hi", "Two") + email("third", "2026-12-02 09:00"),
    )

    # Then the second leaves when it was to, and the third no sooner than five minutes from now
    assert done.is_delayed_by_safety
    second, third = begun.campaign().step("second"), begun.campaign().step("third")
    assert second.effective_at == begun.instant("2026-12-02 09:00")
    assert (third.at, third.effective_at) == (begun.instant("2026-12-02 09:00"), begun.instant("2026-12-02 09:01"))


def test_structure_asks_for_a_pause_or_for_live(begun: World) -> None:
    without = THREE.replace(THIRD, "")
    failure = refusal(begun, without)
    assert failure.code == "P121"
    assert "`third`, step: removed (email)" in failure.message
    assert begun.campaign().version == 1

    pause(begun.store, "sale", actor="ada", now=begun.clock.now())
    assert begun.publish(without).state is CampaignState.PAUSED
    resume(begun.store, "sale", actor="ada", now=begun.clock.now())
    begun.run_until("2026-12-04 00:00")
    assert len(begun.addresses) == 6
    assert begun.campaign().state is CampaignState.COMPLETED


def test_a_step_that_is_inserted_moved_or_of_another_verb_runs_in_its_new_place(begun: World) -> None:
    text = (
        HEAD + FIRST + SECOND
        + "  - {id: mark, at: 2026-12-02 10:00, set: {seen: true}}\n"
        + "  - id: half\n    at: 2026-12-02 11:00\n    split:\n      by: segment\n      branches:\n"
        + "        - name: seen\n          when: {attribute: seen, eq: true}\n          steps:\n          "
        + email("third", "2026-12-02 12:00", "Third")
    )  # fmt: skip
    begun.publish(text, is_live=True)
    begun.run_until("2026-12-03 00:00")
    assert subjects(begun) == ["Hi"] * 6 + ["Third"] * 3
    assert begun.campaign().state is CampaignState.COMPLETED
    with begun.store.reading() as ledger:
        assert all(check.ok for check in check_store(ledger))


def test_an_edit_that_comes_after_the_next_step_began_changes_nothing(begun: World) -> None:
    late = THREE.replace(SECOND, SECOND.replace("Hi", "Too late")).replace(THIRD, THIRD.replace("Hi", "New"))
    begun.run_until("2026-12-02 09:00")
    failure = refusal(begun, late)
    assert failure.code == "P120"
    assert '`second`, subject: "Hi" -> "Too late"' in failure.message
    assert "`second` has begun or is over, and stays as it was" in failure.message
    begun.run_until("2026-12-04 00:00")
    assert set(subjects(begun)) == {"Hi"}
    assert begun.campaign().version == 1


def test_an_edit_in_the_middle_of_a_step_leaves_that_step_alone(world: World) -> None:
    """Half of the cohort has the old message, so the other half gets it too."""
    world.contacts()
    world.publish(THREE)
    taken = world.email.exchange
    world.email.capacity = 1
    refused: list[str] = []

    def exchange(messages: object, _patience: object) -> object:
        outcomes = taken(messages)  # type: ignore[arg-type] # passed through
        if len(world.email.sent) == 1 and not refused:
            refused.append(refusal(world, THREE.replace(FIRST, FIRST.replace("Hi", "Other"))).code)
            world.publish(THREE.replace(SECOND, SECOND.replace("Hi", "Second")))
        return outcomes

    world.email.exchange = exchange  # type: ignore[method-assign,assignment] # somebody publishes while it sends
    world.run_until("2026-12-02 12:00")
    assert refused == ["P120"]
    assert subjects(world) == ["Hi"] * 3 + ["Second"] * 3


def test_no_step_is_inserted_before_or_removed_where_members_are_not_even_in_a_pause(begun: World) -> None:
    pause(begun.store, "sale", actor="ada", now=begun.clock.now())
    for text in (
        HEAD + FIRST + email("new", "2026-12-02 08:00") + SECOND + THIRD,
        HEAD + FIRST + THIRD,
        HEAD + FIRST + THIRD.replace("-03", "-02") + SECOND.replace("-02", "-03"),
    ):
        assert refusal(begun, text, is_live=True).code == "P120"


def test_a_step_that_came_too_late_runs_at_the_time_that_it_is_given(world: World) -> None:
    world.contacts()
    world.publish(THREE)
    world.at("2026-12-03 12:00")
    world.run_until("2026-12-03 13:00")
    assert world.campaign().step("first").state is StepState.HELD
    world.publish(THREE.replace("-12-01", "-12-05").replace("-12-02", "-12-06").replace("-12-03", "-12-07"))
    world.run_until("2026-12-08 00:00")
    assert len(world.addresses) == 9


def test_before_the_start_everything_may_change_but_the_name(world: World) -> None:
    world.contacts()
    world.publish(THREE)
    french = THREE.replace("{attribute: email, exists: true}", "french").replace(FIRST, "")
    assert refusal(world, french).code == "P121"
    world.publish(french, is_live=True)
    world.run_until("2026-12-04 00:00")
    assert sorted(set(world.addresses)) == ["ada@example.org", "alan@example.org"]
    assert world.campaign().members == 2


def test_after_a_stop_nothing_is_published_and_nothing_leaves(begun: World) -> None:
    """Publish, stop, publish again, tick twice."""
    begun.stop("sale")
    for text in (THREE, THREE.replace(THIRD, THIRD.replace("Hi", "New"))):
        assert refusal(begun, text).code == "P103"
    daemon = begun.daemon()
    for wall in ("2026-12-02 12:00", "2026-12-03 12:00"):
        begun.run_until(wall, daemon)
    assert len(begun.addresses) == 3
    assert begun.campaign().version == 1


def test_the_same_file_again_is_nothing_to_do(begun: World) -> None:
    for text in (THREE, THREE.replace("{subject: Hi, body: hello.md}", "{body: hello.md, subject: Hi}")):
        done = begun.publish(text)
        assert (done.action, done.version) == (Action.NONE, 1)


def test_a_removed_id_comes_back_with_its_own_verb_only(begun: World) -> None:
    begun.publish(HEAD + FIRST + SECOND, is_live=True)
    other = "  - {id: third, at: 2026-12-03 09:00, set: {seen: true}}\n"
    failure = refusal(begun, HEAD + FIRST + SECOND + other, is_live=True)
    assert failure.code == "P120"
    assert "was the id of a removed `email` step" in failure.message
    assert begun.publish(THREE, is_live=True).version == 3
    begun.run_until("2026-12-04 00:00")
    assert len(begun.addresses) == 9


def test_now_is_for_new_campaigns(world: World) -> None:
    world.contacts()
    world.publish(THREE)
    with pytest.raises(RefusedError) as caught:
        world.publish(THREE.replace("Hi", "Hello"), starts_now=True)
    assert caught.value.code == "P124"


def test_a_campaign_whose_list_shrank_to_nobody_goes_on_and_ends(world: World) -> None:
    """Its times stay, nobody gets anything, and it can be changed and extended as any other."""
    world.contacts()
    french = THREE.replace("{attribute: email, exists: true}", "french")
    world.publish(french)
    world.contacts("id,country\nc-1,BE\nc-2,BE\nc-3,BE\n")
    world.run_until("2026-12-01 12:00")
    assert world.campaign().members == 0
    world.publish(french.replace(THIRD, THIRD.replace("Hi", "New")))
    world.run_until("2026-12-04 00:00")
    assert world.campaign().state is CampaignState.COMPLETED
    assert world.addresses == []


# somebody is quicker


def test_who_was_shown_another_version_is_refused(begun: World) -> None:
    # Given Ada and Grace, who look at the same version and change different steps of it
    file = begun.write("campaign.yaml", THREE.replace(THIRD, THIRD.replace("Hi", "From Ada")))
    ada = begun.fast.version(file)
    shown = proposal_of(begun.store, ada, begun.project.project, begun.clock.now())

    # When Grace publishes first
    begun.publish(THREE.replace(SECOND, SECOND.replace("Hi", "From Grace")))

    # Then Ada's, which would undo Grace's, is refused
    with pytest.raises(RefusedError) as caught:
        publish(begun.store, ada, begun.project.project, seed="s", actor="ada", now=begun.clock.now(), shown=shown)
    assert caught.value.code == "P123"
    assert begun.campaign().version == 2


def test_two_who_publish_the_same_are_both_right(begun: World) -> None:
    text = THREE.replace(THIRD, THIRD.replace("Hi", "New"))
    version = begun.fast.version(begun.write("campaign.yaml", text))
    shown = proposal_of(begun.store, version, begun.project.project, begun.clock.now(), Consent(is_live=True))
    begun.publish(text)
    done = publish(
        begun.store, version, begun.project.project, seed="s", actor="ada", now=begun.clock.now(), shown=shown
    )
    assert (done.action, done.version) == (Action.NONE, 2)


def test_a_step_that_begins_between_the_look_and_the_publication_is_refused(begun: World) -> None:
    text = THREE.replace(SECOND, SECOND.replace("Hi", "New"))
    version = begun.fast.version(begun.write("campaign.yaml", text))
    shown = proposal_of(begun.store, version, begun.project.project, begun.clock.now())
    begun.run_until("2026-12-02 10:00")
    with pytest.raises(RefusedError) as caught:
        publish(begun.store, version, begun.project.project, seed="s", actor="ada", now=begun.clock.now(), shown=shown)
    assert caught.value.code == "P120"
    assert begun.campaign().version == 1


def test_a_pause_that_comes_between_the_look_at_a_step_and_its_beginning_holds(begun: World) -> None:
    """A step begins under the lock, and asks there again whether it may."""

    class Watched:
        """The store, with somebody who pauses the campaign before each transaction that writes."""

        reading = begun.store.reading

        def writing(self) -> object:
            if begun.campaign().state is CampaignState.ACTIVE:
                pause(begun.store, "sale", actor="ada", now=begun.clock.now())
            return begun.store.writing()

    begun.at("2026-12-02 09:00")
    begun.run_until("2026-12-02 10:00", begun.daemon(store=Watched()))  # type: ignore[arg-type] # a store that is watched
    assert begun.campaign().step("second").state is StepState.SCHEDULED


def test_the_journal_has_the_differences(begun: World) -> None:
    begun.publish(THREE.replace(THIRD, THIRD.replace("Hi", "New")))
    with begun.store.reading() as ledger:
        entry = ledger.history(begun.campaign())[-1]
    assert (entry.action, entry.version) == ("published", 2)
    assert entry.detail["changes"] == [
        {"step": "third", "kind": "content", "field": "subject", "before": "Hi", "after": "New", "reason": None}
    ]
