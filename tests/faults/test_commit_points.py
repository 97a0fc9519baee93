"""The daemon dies right before or right after a commit, whichever it is: the next one goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.doomed import Doom, ended, started
from faults.invariants import broken_at_the_end, broken_in_between
from faults.relay import Relay
from faults.shop import Shop


@pytest.mark.parametrize(("is_before", "may_repeat"), [(True, True), (False, False)])
def test_a_crash_at_any_commit_loses_nothing(tmp_path: Path, is_before: bool, may_repeat: bool) -> None:
    """
    From the first commit of a daemon to its last, one trial for each, until a
    daemon gets through. The long form does the other two pairs as well.

    A small campaign has about a dozen: the epoch, the key, the recovery, the
    step that begins, each round of intents and results, the end.
    """
    survived = False
    commit = 0
    with Relay(tmp_path) as relay:
        fresh = Shop.opened(tmp_path / "shop", relay.port, contacts=3, connections=2, may_repeat=may_repeat)
        while not survived:
            commit += 1
            relay.forget()
            shop = fresh.copied(tmp_path / f"commit-{commit}")
            survived = ended(started(shop, doom=Doom(commit, is_before)))
            if not survived:
                assert broken_in_between(shop, relay) == [], commit
                assert ended(started(shop))
            assert broken_at_the_end(shop, relay, crashes=int(not survived)) == [], commit
    assert commit > 8
