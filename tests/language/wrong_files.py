"""Files with one mistake each, by the code that says so."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
SHORT = "campaign: sale\nlist: customers\nsegment: french\nat: 2026-12-01 09:00\nemail: {subject: Hi, body: hello.md}\n"
STEP = "  - {id: a, at: 2026-12-01 09:00, email: {subject: Hi, body: hello.md}}\n"
CONTACTS = "id,email,name,country,age,born\nc-1,ada@example.org,Ada,FR,36,2000-12-10\n"


@dataclass(frozen=True)
class Wrong:
    """A campaign file, and around it what differs from the usual project."""

    text: str
    project: tuple[str, str] = ("", "")  # what is replaced by what in the project file
    body: str | None = None  # of hello.md
    contacts: str | None = None  # in the store


def short(before: str, after: str, **around: object) -> Wrong:
    """The short form with one part replaced."""
    assert before in SHORT
    return Wrong(SHORT.replace(before, after), **around)  # type: ignore[arg-type] # named as in Wrong


def long(before: str = "", after: str = "", more: str = "") -> Wrong:
    """The long form with one part replaced, or with further lines."""
    return Wrong((HEAD + STEP).replace(before, after) + more if before else HEAD + STEP + more)


def condition(written: str, **around: object) -> Wrong:
    return short("french", written, **around)


def step(written: str) -> Wrong:
    return Wrong(f"{HEAD}{STEP}  - {{id: s, at: 2026-12-01 09:00, {written}}}\n")


def split(branches: str, by: str = "random") -> Wrong:
    """A split below each other, as people write it."""
    lines = "".join(f"        - {branch}\n" for branch in branches.split("; "))
    return Wrong(
        f"{HEAD}{STEP}  - id: s\n    at: 2026-12-01 09:00\n    split:\n      by: {by}\n      branches:\n{lines}"
    )


def recurring(rule: str, *times: str) -> Wrong:
    """A campaign that recurs, with a step at each of these times."""
    head = HEAD.replace("exists: true}}", f"exists: true}}, {rule}}}")
    return Wrong(head + "".join(at(f"s-{number}", time) for number, time in enumerate(times)))


def at(step: str, time: str) -> str:
    return f"  - {{id: {step}, at: {time}, email: {{subject: Hi, body: hello.md}}}}\n"


def topics(written: str) -> tuple[str, str]:
    """What the project has in the place of `sender:`: these topics before it."""
    return "sender:", f"topics: {{{written}}}\nsender:"


TOPICS = topics("news: {title: News}, offers: {title: Offers, attribute: pref_offers}")
API = HEAD.replace("segment: {attribute: email, exists: true}", "api: {}")
DKIM = "channels: {email: {dkim: {domain: %s, selector: c1, key: dkim.pem}}}\n"
SMTP = "channels: {email: {smtp: 'smtp://mail.example'}}\n"
SES = "public_url: https://m.example\nproviders: {ses: {topic: 'arn:aws:sns:eu-west-1:123456789012:events'}}\n"
HOOK = "endpoints: {crm: %s}\nhooks: {sales: {endpoint: %s, events: [message.sent]}}\n"
LOOP = ("french: {attribute: country, eq: FR}", "french: {segment: south}, south: {segment: french}")

CRM = "endpoints: {crm: {url: https://crm.example}}\ntimezone:"
OWN = "channels: {sms: {endpoint: crm}}\nendpoints: {crm: {url: https://crm.example, %s}}\ntimezone:"
UNSIGNED = "public_url: https://mail.shop.example\nendpoints: {crm: {url: https://crm.example}}\ntimezone:"

WRONG: dict[str, list[Wrong]] = {
    "C100": [Wrong("#" + "x" * 2**20), Wrong(SHORT.replace("Hi", "\udcff"))],
    "C101": [
        Wrong(SHORT + "title: 'Spring\n"),
        short("Hi,", "Hi"),
        short("Hi", "'Hi' there"),
        short("hello.md}", "hello.md"),
        short("{subject: Hi, body: hello.md}", "\n  subject: Sale: 50%\n  body: hello.md"),
        short("{subject: Hi, body: hello.md}", "\n  subject: @home\n  body: hello.md"),
        short("{subject: Hi, body: hello.md}", "\n\tsubject: Hi\n\tbody: hello.md"),
        short("{subject: Hi, body: hello.md}", "\n  subject: Hi\n body: hello.md"),
        short("Hi", "a\x07"),
    ],
    "C102": [Wrong(SHORT + "title: a\ntitle: b\n")],
    "C103": [
        short("sale", "&a sale"),
        short("french", "*a"),
        short("sale", "!!str sale"),
        Wrong(SHORT + "<<: {title: x}\n"),
    ],
    "C104": [Wrong("a: " + "[" * 40 + "]" * 40 + "\n")],
    "C105": [Wrong("- a\n"), Wrong(SHORT + "---\n" + SHORT), short("Hi", "{{ contact.name }}"), Wrong("[a]: b\n")],
    "C110": [
        short("subject", "subjct"),
        short("campaign", "camp"),
        Wrong(SHORT + "set: {engaged: true}\n"),
        Wrong(SHORT + "hurry: true\n"),
        step("exit: {how: soon}"),
    ],
    "C111": [
        long("id: a, ", ""),
        short("list: customers\n", ""),
        step("split: {branches: [{name: a}]}"),
        split("{name: a, share: 50%}; {name: b}"),
        step("gate: {hold: true}"),
    ],
    "C112": [
        short("{subject: Hi, body: hello.md}", "hello"),
        short("Hi", ""),
        short("Hi", "[a, b]"),
        Wrong(SHORT + "if_late: later\n"),
        Wrong(SHORT + "if_late: [run]\n"),
        step("split: {by: luck, branches: [{name: a}]}"),
        step("split: [a]"),
        step("split: {by: random, branches: []}"),
        step("set: {name: [a]}"),
        step("webhook: {endpoint: crm, batch: many}"),
        step("gate: {endpoint: crm, hold: perhaps}"),
        Wrong(HEAD + "  - invitation\n"),
        long("steps:\n  - ", "steps: "),
        condition("{attribute: age, between: [1, 2, 3]}"),
    ],
    "C113": [short("sale", "Sale!"), short("list: customers", "list:"), condition("{attribute: first name, eq: Ada}")],
    "C114": [
        short("2026-12-01", "2026-13-01"),
        short("2026-12-01 09:00", "tomorrow"),
        short(" 09:00", "T09:00"),
        recurring('every: "0 9 * * MON"', "+2w"),
        recurring('every: "0 9 * * MON", until: Christmas', "+0d"),
    ],
    "C115": [Wrong(SHORT + "if_late: {within: soon}\n")],
    "C116": [split("{name: a, share: half}")],
    "C117": [short("Hi", "Hi, rate: fast")],
    "C118": [short("Hi", "Hi, window: morning")],
    "C119": [Wrong(SHORT + "timezone: Europe/Pariss\n"), Wrong(SHORT + "timezone: summer\n")],
    "C120": [
        condition("{attribute: age, gte: 18, lt: 26}"),
        condition("{attribute: age}"),
        condition("{attribute: name, eq: null}"),
        condition('{attribute: name, gt: ""}'),
        condition("{country: FR}"),
        condition("{anny: [{segment: french}]}"),
        condition("{all: [french]}"),
        condition("{all: [7 8]}"),
        condition("{segment: french, in_campaign: sale}"),
        condition("{opened: sale, clicked: sale}"),
        condition("{at_least: 3, of: [{segment: french}, {in_campaign: other}]}"),
        condition("{}"),
    ],
    "C121": [
        long("segment:", "segmnt:"),
        long("{segment: {attribute: email, exists: true}}", "french"),
        long("exists: true}}", "exists: true}, api: {}}"),
        long("{segment: {attribute: email, exists: true}}", "{}"),
        recurring("until: 2027-12-31", "2026-12-01 09:00"),
    ],
    "C122": [
        long("email: {subject", "emial: {subject"),
        step("title: Nothing"),
        step("email: {subject: Hi, body: hello.md}, exit: {}"),
        short("email: {subject: Hi, body: hello.md}\n", ""),
        Wrong(SHORT + "sms: {text: Hi}\n"),
    ],
    "C123": [
        recurring("every: Monday", "+0d"),
        recurring('every: "60 9 * * *"', "+0d"),
        recurring('every: "0 0 9 * * MON"', "+0d"),
        recurring('every: "@weekly"', "+0d"),
        recurring('every: "0 9 L * *"', "+0d"),
        recurring('every: "0 9 * * FRI-MON"', "+0d"),
    ],
    "C152": [Wrong(SHORT, project=("sender:", "public_url: mail.shop.example\nsender:"))],
    "C201": [Wrong(HEAD + STEP + STEP)],
    "C202": [split("{name: a, share: 50%}; {name: a, share: 50%}")],
    "C203": [split("{name: a, share: 50%}; {name: b, share: 40%}")],
    "C204": [split("{name: a}; {name: b, when: french}", "segment")],
    "C205": [split("{name: a, when: clicked}", "engagement\n      of: b")],
    "C206": [Wrong(HEAD + "  - {id: x, at: 2026-12-01 09:00, exit: {}}\n" + at("b", "2026-12-02 09:00"))],
    "C210": [Wrong(SHORT, project=("timezone: Europe/Paris\n", ""))],
    "C211": [Wrong(HEAD + at("a", "2027-03-28 02:30"))],
    "C212": [Wrong(HEAD + at("a", "2027-10-31 02:30"))],
    "C213": [long("at: 2026-12-01 09:00, ", "")],
    "C214": [Wrong(API + STEP + "  - {id: b, email: {subject: Hi, body: hello.md}}\n")],
    "C215": [
        Wrong(HEAD + STEP + at("b", "2026-11-30 09:00")),
        recurring('every: "0 9 * * MON"', "+0d 08:00"),
        recurring('every: "0 9,17 * * MON"', "+0d 12:00"),
        recurring('every: "0 9,17 * * MON"', "+6h", "+0d 16:00"),
        recurring('every: "0 9,17 * * MON"', "+1d 08:00", "+20h"),
    ],
    "C216": [recurring('every: "0 9 * * MON"', "+0d", "2026-12-09 09:00")],
    "C217": [Wrong(HEAD + at("a", "+2d 09:00")), short("2026-12-01 09:00", "+4h")],
    "C218": [recurring('every: "0 9 30 2 *"', "+0d")],
    "C220": [short("hello.md", "../../etc/passwd"), short("hello.md", "helo.md"), short("hello.md", ".")],
    "C221": [short("hello.md", "campaignctl.yaml")],
    "C222": [short("subject: Hi, ", ""), short(", body: hello.md", ""), step("sms: {from: Shop}")],
    "C223": [short("Hi", "Hi, test: {share: 20%, metric: clicks, after: 3h}")],
    "C301": [short("customers", "custmers"), short("customers", "friends")],
    "C302": [
        condition("frnch"),
        condition("[{segment: french}, {segment: staff}]"),
        condition("{any: [{segment: x}]}"),
    ],
    "C303": [Wrong(SHORT, project=LOOP)],
    "C304": [
        condition("{attribute: aeg, gte: 18}", contacts=CONTACTS),
        condition("{attribute: x, eq: 1}", contacts=CONTACTS),
    ],
    "C305": [
        condition("{attribute: age, eq: old}", contacts=CONTACTS),
        condition("{attribute: name, eq: 7}", contacts=CONTACTS),
        condition("{attribute: age, contains: 3}", contacts=CONTACTS),
        condition("{attribute: name, within: 30d}", contacts=CONTACTS),
        condition("{attribute: born, before: true}", contacts=CONTACTS),
    ],
    "C306": [step("gate: {endpoint: nobody}")],
    "C307": [step("set: {id: 7}")],
    "C401": [Wrong(SHORT, project=("sender: Shop <news@shop.example>\n", ""))],
    "C402": [short("Hi", "Hi, reply_to: nobody"), Wrong(SHORT, project=("news@shop.example", "news"))],
    "C403": [short("Hi", "Hi, headers: {Bcc: x}")],
    "C404": [
        short("Hi", '"{{ contact.name"'),
        short("Hi", '"{% if contact.name %}Hi"'),
        short("Hi", "\"{% include 'x' %}\""),
        short("Hi", '"{% filter upper %}Hi{% endfilter %}"'),
        short("Hi", '"{{ contact.name | upcase }}"'),
        short("Hi", '"{{ contact.first name }}"'),
        short("Hi", '"{{ contact. }}"'),
        Wrong(SHORT, body="Hello\n  {{ contact.name }\n{{ unsubscribe_url }} {{ postal_address }}"),
    ],
    "C405": [short("Hi", '"{{ contct.name }}"'), short("Hi", '"{{ firm }}"')],
    "C406": [short("Hi", '"{{ contact.nmae }}"', contacts=CONTACTS)],
    "C407": [Wrong(SHORT, body="Hello {{ postal_address }}")],
    "C408": [
        Wrong(SHORT, body="Hello {{ unsubscribe_url }}"),
        Wrong(SHORT, project=("postal_address: 1 rue de la Paix, Paris\n", "")),
    ],
    "C409": [Wrong(SHORT, body="{{ view_url }} {{ unsubscribe_url }} {{ postal_address }}")],
    "C450": [short("Hi", "Hi, track: {opens: true}"), short("Hi", "Hi, track: {clicks: true}")],
    "C451": [
        Wrong(
            HEAD + "  - {id: x, at: 2026-12-01 09:00, export: {format: tiktok, to: crm}}\n", project=("timezone:", CRM)
        ),
        step("export: {format: meta, to: x.csv, audience: '1'}"),
    ],
    "C452": [
        Wrong(SHORT, project=("timezone:", OWN % "request: {body: 'to={{ number }}'}")),
        Wrong(SHORT, project=("timezone:", OWN % "request: {body: '{\"to\": {{ to }}}'}")),
        Wrong(SHORT, project=("timezone:", OWN % "request: {body: '{% if %}'}")),
    ],
    "C453": [Wrong(SHORT, project=("timezone:", OWN % "message_id: id"))],
    "C454": [
        Wrong(SHORT, project=("timezone:", CRM.replace("}}", ", message_id: /id}}"))),
        Wrong(
            SHORT,
            project=("timezone:", OWN.replace("endpoint: crm", "endpoint: crm, preset: sinch") % "request: {body: x}"),
        ),
    ],
    "C430": [
        short("hello.md}", "hello.md, topic: ofers}", project=TOPICS),
        short("hello.md}", "hello.md, topic: gossip}", project=TOPICS),
    ],
    "C431": [Wrong(SHORT, project=TOPICS)],
    "C432": [short("hello.md}", "hello.md, topic: offers}")],
    "C433": [
        Wrong(
            SHORT, project=topics("news: {title: News, attribute: Wanted}, offers: {title: Offers, attribute: wanted}")
        ),
        Wrong(SHORT, project=topics("offers: {title: Offers, attribute: Email}")),
        Wrong(SHORT, project=topics(f"{'o' * 60}: {{title: Offers}}")),
    ],
    "C434": [
        Wrong(f"{HEAD}  - {{id: s, at: 2026-12-01 09:00, set: {{Pref_Offers: {value}}}}}\n", project=TOPICS)
        for value in ("true", "null", "'{{ contact.vip }}'")
    ],
    "C435": [
        short(
            "hello.md}",
            "hello.md, topic: offers}",
            project=topics("offers: {title: Offers, attribute: email}"),
            contacts=CONTACTS,
        ),
    ],
    "C440": [step("gate: {endpoint: nobody}"), short("Hi", "Hi, gate: {endpoint: nobody}")],
    "C441": [
        Wrong(HEAD + "  - {id: x, at: 2026-12-01 09:00, gate: {endpoint: crm}}\n", project=("timezone:", UNSIGNED))
    ],
    "C442": [
        short("Hi", '"{{ gate.promo }}"'),
        Wrong(SHORT, body="{{ contact.name }}\n  {{ gate.promo | upper }} {{ unsubscribe_url }} {{ postal_address }}"),
        step("set: {code: '{{ gate.promo }}'}"),
    ],
    "C410": [step("sms: {text: Hi}")],
    "C412": [step("export: {format: meta, to: /tmp/a.csv}"), step("export: {format: csv, to: crn}")],
    "C411": [Wrong(SHORT, project=("lists:", "endpoints: {crm: {url: 'http://crm.example/'}}\nlists:"))],
    "C420": [
        Wrong(SHORT, project=("sender:", f"{DKIM % 'other.example'}sender:")),
        short("Hi", "Hi, from: news@other.example", project=("sender:", f"{DKIM % 'shop.example'}sender:")),
    ],
    "C421": [
        Wrong(SHORT, project=("sender:", "public_url: https://m.example\nproviders: {brevo: {token: x}}\nsender:")),
        Wrong(
            SHORT,
            project=("sender:", DKIM.replace("dkim.pem", '"-----BEGIN PRIVATE KEY-----"') % "shop.example" + "sender:"),
        ),
    ],
    "C422": [
        Wrong(SHORT, project=("sender:", "public_url: https://m.example\nproviders: {ses: {topic: x}}\nsender:")),
        Wrong(SHORT, project=("sender:", SES.replace("public_url: https://m.example\n", "") + "sender:")),
    ],
    "C423": [Wrong(SHORT, project=("sender:", f"{DKIM % 'shop.example'}{SES}sender:"))],
    "C424": [
        Wrong(SHORT, project=("sender:", f"{SMTP}sender:")),
        Wrong(SHORT, project=("sender:", f"{SMTP}public_url: http://m.example\nsender:")),
    ],
    "C425": [Wrong(SHORT, project=("sender:", HOOK % ("{url: https://crm.example/}", "cmr") + "sender:"))],
    "C426": [Wrong(SHORT, project=("sender:", HOOK % ("{url: https://crm.example/}", "crm") + "sender:"))],
    "C443": [
        Wrong(SHORT, project=("sender:", "conversions: {parameter: cctl}\nsender:")),
        Wrong(SHORT, project=("sender:", "conversions: {hosts: [shop.example]}\nsender:")),
    ],
}
