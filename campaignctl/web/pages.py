"""Pages for people: plain HTML, readable on any screen, without a script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1.125rem/1.5 system-ui, sans-serif; margin: 0 auto; padding: 2rem 1rem; max-width: 32rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; }
form { margin: 1rem 0; }
fieldset { border: 1px solid; border-radius: .4rem; margin: 2rem 0 1rem; padding: .5rem 1rem 1rem; min-width: 0; }
label { display: flex; gap: .8rem; padding: .6rem 0; cursor: pointer; }
label > span { min-width: 0; }
label small { display: block; }
input { flex: none; width: 1.5rem; height: 1.5rem; margin: 0; }
button { font: inherit; padding: .6rem 1.2rem; border: 2px solid; border-radius: .4rem; background: none; color: inherit; cursor: pointer; text-align: start; max-width: 100%; }
button:focus-visible, input:focus-visible { outline: 3px solid; outline-offset: 3px; }
"""  # noqa: E501 # a style sheet has lines of its own

_PAGE: Final = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% if sender %}<p>{{ sender }}</p>{% endif %}
<p role="status">{{ text }}</p>
{% for button in buttons %}<form method="post">
<button name="action" value="{{ button.action }}">{{ button.label }}</button>
</form>
{% endfor %}{% if choice %}<form method="post">
<fieldset>
<legend>{{ choice.legend }}</legend>
{% for box in choice.boxes %}<input type="hidden" name="shown" value="{{ box.name }}">
<label><input type="checkbox" name="topic" value="{{ box.name }}"{% if box.is_ticked %} checked{% endif %}>
<span>{{ box.title }}{% if box.description %} <small>{{ box.description }}</small>{% endif %}</span></label>
{% endfor %}<button name="action" value="{{ choice.button.action }}">{{ choice.button.label }}</button>
</fieldset>
</form>{% endif %}
</main>
</body>
</html>
"""

_TEMPLATES: Final = Environment(loader=DictLoader({"page": _PAGE}), autoescape=True, undefined=StrictUndefined)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# A message may show pictures and its own styles; it runs nothing, and its links leave it.
_MESSAGE_POLICY: Final = (
    "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline'; font-src https:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


@dataclass(frozen=True)
class Button:
    """Something to do, at once."""

    action: str
    label: str


@dataclass(frozen=True)
class Box:
    """A topic to tick."""

    name: str
    title: str
    description: str
    is_ticked: bool


@dataclass(frozen=True)
class Choice:
    """Topics to tick, and what takes the choice."""

    legend: str
    boxes: Sequence[Box]
    button: Button


def page(
    title: str,
    text: str,
    language: str,
    *,
    sender: str = "",
    buttons: Sequence[Button] = (),
    choice: Choice | None = None,
    status: int = 200,
) -> Response:
    """A page that says something, with what there is to do about it."""
    told = _TEMPLATES.get_template("page").render(
        title=title, text=text, language=language, sender=sender, buttons=buttons, choice=choice,
        style=Markup(_STYLE),  # noqa: S704 # ours, and hashed in the policy as it stands here
    )  # fmt: skip
    return HTMLResponse(told, status, {"content-security-policy": _POLICY})


def message_page(html: str) -> Response:
    """A message as its reader got it."""
    return HTMLResponse(html, 200, {"content-security-policy": _MESSAGE_POLICY})
