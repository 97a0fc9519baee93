"""What a message costs: put together, rendered, and by the standard library; CPU time of this process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from campaignctl.message.content import Body, EmailContent, Surroundings
from campaignctl.message.email import EmailTemplate
from campaignctl.message.links import Signer, StepLinks

MADE_AT = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
SURROUNDINGS = Surroundings("sale", "Spring sale", "invitation", "customers", "shop", "1 rue de la Paix, 75002 Paris")
LINKS = StepLinks("https://mail.shop.example", Signer(1, b"a secret for the benchmark only!"), 3)
PARAGRAPH = "Everything in the shop costs less this week, and what you like best costs least of all.\n"
TEXT = (
    "Hello {{ contact.firstname }},\n\n" + PARAGRAPH * 6 + "\nYour city: {{ contact.city | default('Paris') }}.\n"
    "Your points: {{ contact.points }}.\n" + PARAGRAPH * 4 + "\nLeave: {{ unsubscribe_url }}\n{{ postal_address }}\n"
)
HTML = (
    "<!DOCTYPE html><html><head><title>Sale</title></head><body>\n<p>Hello {{ contact.firstname }},</p>\n"
    + f"<p>{PARAGRAPH}</p>\n" * 10
    + "<p>Your city: {{ contact.city | default('Paris') }}. Your points: {{ contact.points }}.</p>\n"
    + f"<p>{PARAGRAPH}</p>\n" * 4
    + '<p><a href="{{ unsubscribe_url }}">Leave</a> {{ postal_address }}</p>\n</body></html>\n'
)
WITH_LOOP = (
    "{% if contact.points > 100 %}<p>You may choose:</p>{% endif %}\n"
    "{% for gift in ['a cup', 'a bag', 'a book'] %}<li>{{ gift }} for {{ contact.firstname }}</li>{% endfor %}\n"
)


def measure(messages: int = 500, rounds: int = 40) -> dict[str, float]:
    """Milliseconds of CPU a message, the median of the rounds, taken in turns; the size of one in bytes."""
    plain = _template(HTML, TEXT)
    any_template = _template(HTML.replace("</body>", WITH_LOOP + "</body>"), TEXT + WITH_LOOP)
    ways: dict[str, tuple[Callable[[int], bytes], int]] = {
        "put together": (lambda number: _made(plain, number), messages),
        "rendered": (lambda number: _made(any_template, number), messages // 4),
        "standard library": (_standard, messages // 50),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (make, count) in ways.items():
            times[name].append(_once(make, count))
    found = {name: statistics.median(each) for name, each in times.items()}
    return {**found, "bytes": float(len(_made(plain, 1)))}


def _template(html: str, text: str) -> EmailTemplate:
    bodies = (Body("sale.html", "html", html), Body("sale.txt", "txt", text))
    content = EmailContent("{{ contact.firstname }}, our sale is open", bodies, "Shop <news@shop.example>")
    return EmailTemplate(content, SURROUNDINGS, LINKS)


def _once(make: Callable[[int], bytes], messages: int) -> float:
    began = time.process_time()
    for number in range(messages):
        make(number)
    return (time.process_time() - began) / messages * 1000


def _contact(number: int) -> dict[str, object]:
    return {"firstname": f"Ada{number}", "city": "Lyon", "points": number, "country": "FR"}


def _made(template: EmailTemplate, number: int) -> bytes:
    """One message by us, and what the engine does around it."""
    key, address = f"c-{number}", f"user{number}@example.org"
    contact = {**_contact(number), "id": key, "email": address, "phone": None}
    return template.finished(f"sale/invitation/{key}/seed", address, contact, MADE_AT, contact_id=number).content


def _standard(number: int) -> bytes:
    """The same message by the standard library, its values put in by `replace`."""
    contact, message, address = _contact(number), EmailMessage(SMTP), f"user{number}@example.org"
    url = LINKS.unsubscribe_url(number)
    message["From"] = "Shop <news@shop.example>"
    message["To"] = address
    message["Subject"] = f"{contact['firstname']}, our sale is open"
    message["Date"] = format_datetime(MADE_AT)
    message["Message-ID"] = f"<{number}@shop.example>"
    message["List-Id"] = "<customers.shop.campaignctl.invalid>"
    message["List-Unsubscribe"] = f"<{url}>, <mailto:news@shop.example?subject=unsubscribe>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    values = {
        "{{ contact.firstname }}": str(contact["firstname"]),
        "{{ contact.city | default('Paris') }}": str(contact["city"]),
        "{{ contact.points }}": str(contact["points"]),
        "{{ unsubscribe_url }}": url,
        "{{ postal_address }}": SURROUNDINGS.postal_address,
    }
    text, html = TEXT, HTML
    for name, value in values.items():
        text, html = text.replace(name, value), html.replace(name, escape(value))
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message.as_bytes()
