"""Phone numbers: one form for all of them, E.164, and the country that they belong to."""

from __future__ import annotations

from functools import lru_cache

# phonenumbers brings the rules of every country, and is imported when the first number is looked at.


@lru_cache(maxsize=4096)
def normal_phone(text: str, country: str | None = None) -> str | None:
    """
    The number in *text* as E.164; None where it is none.

    A number without a country code is one of *country*. Only its form and
    length are looked at: which numbers are in use, the provider knows.

    >>> normal_phone("06 12 34 56 78", "FR"), normal_phone("+32 470 12 34 56"), normal_phone("0612345678")
    ('+33612345678', '+32470123456', None)
    """
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


@lru_cache(maxsize=4096)
def countries_of(number: str) -> frozenset[str]:
    """
    The countries that an E.164 number may belong to: nearly always one.

    >>> sorted(countries_of("+33612345678"))
    ['FR']
    """
    import phonenumbers

    parsed = phonenumbers.parse(number)
    found = phonenumbers.region_code_for_number(parsed)
    return frozenset([found] if found else phonenumbers.region_codes_for_country_code(parsed.country_code or 0))


def is_country(text: str) -> bool:
    """
    Whether *text* is the code of a country that has phone numbers.

    >>> is_country("FR"), is_country("France")
    (True, False)
    """
    import phonenumbers

    return text in phonenumbers.SUPPORTED_REGIONS
