"""The message that all senders send, about 3 KB of text and HTML, and the contacts that it goes to."""

from __future__ import annotations

from pathlib import Path
from string import Template

SENDER = "Shop <news@shop.example>"
ENVELOPE_SENDER = "news@shop.example"
POSTAL_ADDRESS = "1 rue de la Paix, 75002 Paris"
PUBLIC_URL = "https://mail.shop.example"

_PARAGRAPH = "Everything in the shop costs less this week, and what you like best costs least of all.\n"
SUBJECT = "$firstname, our sale is open"
TEXT = (
    f"Hello $firstname,\n\n{_PARAGRAPH * 6}\nYour city: $city. Your points: $points.\n{_PARAGRAPH * 3}\n"
    "Leave: $unsubscribe_url\n$postal_address\n"
)
HTML = (
    "<!DOCTYPE html><html><head><title>Sale</title></head><body>\n<p>Hello $firstname,</p>\n"
    + f"<p>{_PARAGRAPH}</p>\n" * 9
    + "<p>Your city: $city. Your points: $points.</p>\n"
    + f"<p>{_PARAGRAPH}</p>\n" * 3
    + '<p><a href="$unsubscribe_url">Leave</a> $postal_address</p>\n</body></html>\n'
)
# Ours alone: what makes a template more than a text with gaps.
LOOP = (
    "{% if contact.points > 100 %}You may choose:{% endif %}\n"
    "{% for gift in ['a cup', 'a bag', 'a book'] %}{{ gift }} for {{ contact.firstname }}\n{% endfor %}\n"
)
LINK = "{{ link('https://shop.example/sale') }}\n"  # counted, where clicks are

HEADER = "id,email,firstname,city,points"
_NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Alan", "Zoe", "Linus", "Margaret")
_CITIES = ("Lyon", "Paris", "Lille", "Nice", "Brest")


def write_contacts(path: Path, count: int) -> Path:
    """The first *count* contacts, as CSV; they live at a thousand domains."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for n in range(count):
            name, city = _NAMES[n % len(_NAMES)], _CITIES[n % len(_CITIES)]
            file.write(f"c{n:07d},user{n}@mail{n % 1000}.example,{name},{city},{n % 500}\n")
    return path


def for_ours(text: str) -> str:
    """*text* as a template of ours."""
    city = "{{ contact.city | default('Paris') }}"
    return Template(text).substitute(
        firstname="{{ contact.firstname }}", city=city, points="{{ contact.points }}",
        unsubscribe_url="{{ unsubscribe_url }}", postal_address="{{ postal_address }}",
    )  # fmt: skip


def for_jinja(text: str) -> str:
    """*text* as a template of a tool that knows a row's columns."""
    return Template(text).substitute(
        firstname="{{ firstname }}", city="{{ city }}", points="{{ points }}",
        unsubscribe_url=f"{PUBLIC_URL}/u/{{{{ id }}}}", postal_address=POSTAL_ADDRESS,
    )  # fmt: skip
