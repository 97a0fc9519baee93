"""How long a text message is, in the parts that networks count and bill (3GPP TS 23.038 and 23.040)."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

# The default alphabet of GSM, and what takes an escape before it (TS 23.038, 6.2.1 and 6.2.1.1).
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED: Final = frozenset("\f^{}\\[~]|€")
_PLACEHOLDERS: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class Alphabet(StrEnum):
    """What a message is written in: one odd character makes all of it UCS-2."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


# How many units a message alone has room for, and each part of a longer one, which begins with six octets of its own.
_ROOM: Final = {Alphabet.GSM_7: (160, 153), Alphabet.UCS_2: (70, 67)}


class SmsSize(NamedTuple):
    """The alphabet of a message, its length in units of it, and how many parts that makes."""

    alphabet: Alphabet
    units: int
    parts: int


def sms_size(text: str) -> SmsSize:
    """
    How much of a message *text* is.

    Units are septets, of which `€` and brackets take two, or 16-bit code units,
    of which characters beyond the basic plane take two. None of these is
    divided between two parts.

    >>> sms_size("a" * 160), sms_size("a" * 161).parts, sms_size("Привет").alphabet.value
    (SmsSize(alphabet=<Alphabet.GSM_7: 'GSM-7'>, units=160, parts=1), 2, 'UCS-2')
    """
    is_gsm = all(character in _GSM or character in _ESCAPED for character in text)
    alphabet = Alphabet.GSM_7 if is_gsm else Alphabet.UCS_2
    sizes = [_units(character, alphabet) for character in text]
    alone, each = _ROOM[alphabet]
    if sum(sizes) <= alone:
        return SmsSize(alphabet, sum(sizes), 1)
    parts, left = 1, each
    for size in sizes:
        if size > left:
            parts, left = parts + 1, each
        left -= size
    return SmsSize(alphabet, sum(sizes), parts)


def _units(character: str, alphabet: Alphabet) -> int:
    if alphabet is Alphabet.GSM_7:
        return 2 if character in _ESCAPED else 1
    return 2 if ord(character) > 0xFFFF else 1


def least_sms_size(template: str) -> SmsSize:
    """
    The size of a template's own text: a message has that at least, whatever is filled in.

    >>> least_sms_size("Hi {{ contact.name }}!").units
    4
    """
    return sms_size(_PLACEHOLDERS.sub("", template))
