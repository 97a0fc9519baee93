"""Topics in the project file, and what a version keeps of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from language.wrong_files import SHORT
from world import PROJECT, World

from campaignctl.campaign.version import Version
from campaignctl.flow.differences import differences
from campaignctl.project import load_project
from campaignctl.publishing import frozen

SALE = SHORT.replace("hello.md}", "hello.md, topic: offers}")


@pytest.mark.parametrize(
    ("topics", "code", "message", "hint", "word"),
    [
        ("news: {title: {pt: Novidades}}", "C112",
         "`pt` is not a language of the pages (de, en, es, fr, it, nl)", "write it like `fr`", "pt"),
        ("news: {title: {}}", "C112", "`title` has too few entries", "write at least 1", "title"),
        ("news: {description: x}", "C111", "`title` is missing", "add `title: …`", ""),
        ("news: {title: x, atribute: y}", "C110", "`atribute` is not a key here", "did you mean `attribute`?",
         "atribute"),
        ("Big News: {title: x}", "C113", "`Big News` is not a name (small letters, digits and `-`)",
         "write it like `spring-sale`", "Big News"),
        ("news: {title: x, attribute: a b}", "C113", "`a b` is not the name of an attribute", "write it like `country`",
         "a b"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_where_it_stands(
    tmp_path: Path, topics: str, code: str, message: str, hint: str, word: str
) -> None:
    (tmp_path / "campaignctl.yaml").write_text(f"{PROJECT}topics: {{{topics}}}\n")
    found = load_project(tmp_path, {})
    assert isinstance(found, list)
    assert [(each.code, each.message, each.hint) for each in found] == [(code, message, hint)]
    span = found[0].span
    assert span is not None
    line = (PROJECT + f"topics: {{{topics}}}").splitlines()[span.line - 1]
    assert line[span.column - 1 :].startswith(word)


def version_with(world: World, topics: str) -> Version:
    world.write("campaignctl.yaml", f"{PROJECT}topics: {{{topics}}}\n")
    checked = world.check(SALE)
    assert checked.file is not None
    return frozen(checked.file, world.project.project, checked.files)


def test_only_the_topics_of_its_messages_make_a_version_another_one(world: World) -> None:
    before = version_with(world, "offers: {title: Offers}")
    renamed = version_with(world, "offers: {title: {en: Deals}, description: New}, news: {title: News}")
    moved = version_with(world, "offers: {title: Offers, attribute: pref}")
    assert list(differences(before, renamed)) == []
    (change,) = differences(before, moved)
    assert (change.field, change.before, change.after) == ("topics.offers", "topic_offers", "pref")
    assert before.fingerprint() == renamed.fingerprint() != moved.fingerprint()


def test_a_version_comes_back_from_the_store_with_its_topics(world: World) -> None:
    version = version_with(world, "offers: {title: Offers}")
    again = Version.from_stored(version.stored(), version.files)
    assert again.topic_of("sale") == ("offers", "topic_offers")
    assert again.fingerprint() == version.fingerprint()
