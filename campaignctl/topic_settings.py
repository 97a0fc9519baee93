"""What the project file says of topics: the kinds of messages that a contact may leave one by one."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from campaignctl.campaign.fields import AS_MAPPING, AS_TEXT, BY_KIND, AttributeName, Model, Text, read_as

# Those of the pages for people.
LANGUAGES: Final = ("de", "en", "es", "fr", "it", "nl")


def _language(text: str) -> str:
    if text not in LANGUAGES:
        raise ValueError(text)
    return str(text)


Language = Annotated[
    str,
    *read_as(
        _language, f"a language of the pages ({', '.join(LANGUAGES)})", "fr",
        pattern="|".join(LANGUAGES), known=lambda: LANGUAGES,
    ),
]  # fmt: skip
# One text for everybody, or one for each language.
Texts = Annotated[Annotated[Text, AS_TEXT] | Annotated[dict[Language, Text], Field(min_length=1), AS_MAPPING], BY_KIND]


class Topic(Model):
    """A kind of messages that a contact may leave, and keep the others."""

    title: Texts = Field(
        description="What contacts read on the page to unsubscribe on: a text, or one for each language.",
        examples=[{"en": "Offers", "fr": "Offres"}],
    )
    description: Texts | None = Field(
        None, description="What they get, and how often, in a sentence.", examples=["Once a month, never more."]
    )
    attribute: AttributeName | None = Field(
        None,
        description="The attribute that says no with `false`; `topic_` and the topic's name where left out.",
        examples=["pref_offers"],
    )

    def attribute_of(self, name: str) -> str:
        """
        The attribute that keeps what contacts want, of the topic of this name.

        >>> Topic(title="Offers").attribute_of("late-offers")
        'topic_late_offers'
        """
        return self.attribute or f"topic_{name.replace('-', '_')}"


def text_in(texts: str | dict[str, str], language: str) -> str:
    """
    The text in a language, or else in English, or else the first one.

    >>> text_in({"fr": "Offres", "de": "Angebote"}, "de"), text_in({"fr": "Offres"}, "nl"), text_in("Offers", "fr")
    ('Angebote', 'Offres', 'Offers')
    """
    if isinstance(texts, str):
        return texts
    return texts.get(language) or texts.get("en") or next(iter(texts.values()))
