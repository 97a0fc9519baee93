"""What pages for people say, in their languages."""

from __future__ import annotations

from typing import Final, NamedTuple


class Wording(NamedTuple):
    """The texts of the pages in one language."""

    title: str
    question: str  # with the masked address
    leave: str
    has_left: str
    come_back: str
    is_back: str
    stays_out: str
    which: str  # of the topics; with the masked address
    leave_topic: str  # with the title of a topic
    has_left_topic: str  # with both
    leave_all: str
    choose: str
    save: str
    is_saved: str
    unknown_title: str
    unknown: str


WORDINGS: Final = {
    "en": Wording(
        "Unsubscribe", "Shall we write to {address} no more?", "Unsubscribe", "We write to {address} no more.",
        "Subscribe again", "We write to {address} again.", "We cannot write to this address any more.",
        "Which messages may we send to {address}?", "No more “{topic}”", "We send “{topic}” to {address} no more.",
        "Unsubscribe from everything", "Or choose what you want to get", "Save", "Your choice is saved.",
        "This link does not work", "It is not whole, or the message is gone. Use the link in a newer message.",
    ),
    "fr": Wording(
        "Se désabonner", "Ne plus écrire à {address} ?", "Se désabonner", "Nous n’écrivons plus à {address}.",
        "Se réabonner", "Nous écrivons de nouveau à {address}.", "Nous ne pouvons plus écrire à cette adresse.",
        "Quels messages pouvons-nous envoyer à {address} ?", "Ne plus recevoir « {topic} »",
        "Nous n’envoyons plus « {topic} » à {address}.", "Se désabonner de tout",
        "Ou choisissez ce que vous souhaitez recevoir", "Enregistrer", "Votre choix est enregistré.",
        "Ce lien ne fonctionne pas",
        "Il est incomplet, ou le message n’existe plus. Utilisez le lien d’un message plus récent.",
    ),
    "de": Wording(
        "Abmelden", "Sollen wir {address} nicht mehr schreiben?", "Abmelden", "Wir schreiben {address} nicht mehr.",
        "Wieder anmelden", "Wir schreiben {address} wieder.", "An diese Adresse können wir nicht mehr schreiben.",
        "Welche Nachrichten dürfen wir {address} senden?", "„{topic}“ nicht mehr bekommen",
        "Wir senden {address} „{topic}“ nicht mehr.", "Von allem abmelden", "Oder wähle, was du bekommen möchtest",
        "Speichern", "Deine Auswahl ist gespeichert.",
        "Dieser Link funktioniert nicht",
        "Er ist unvollständig, oder es gibt die Nachricht nicht mehr. Nimm den Link einer neueren Nachricht.",
    ),
    "es": Wording(
        "Darse de baja", "¿Dejamos de escribir a {address}?", "Darse de baja", "Ya no escribimos a {address}.",
        "Volver a suscribirse", "Volvemos a escribir a {address}.", "Ya no podemos escribir a esta dirección.",
        "¿Qué mensajes podemos enviar a {address}?", "No recibir más «{topic}»",
        "Ya no enviamos «{topic}» a {address}.", "Darse de baja de todo", "O elija lo que quiere recibir", "Guardar",
        "Su elección se ha guardado.",
        "Este enlace no funciona",
        "Está incompleto, o el mensaje ya no existe. Use el enlace de un mensaje más reciente.",
    ),
    "it": Wording(
        "Annulla l’iscrizione", "Non scriviamo più a {address}?", "Annulla l’iscrizione",
        "Non scriviamo più a {address}.", "Iscriviti di nuovo", "Scriviamo di nuovo a {address}.",
        "Non possiamo più scrivere a questo indirizzo.",
        "Quali messaggi possiamo inviare a {address}?", "Non ricevere più «{topic}»",
        "Non inviamo più «{topic}» a {address}.", "Annulla l’iscrizione a tutto",
        "Oppure scegli che cosa vuoi ricevere", "Salva", "La tua scelta è salvata.",
        "Questo link non funziona",
        "È incompleto, o il messaggio non esiste più. Usa il link di un messaggio più recente.",
    ),
    "nl": Wording(
        "Afmelden", "Zullen we {address} niet meer schrijven?", "Afmelden", "We schrijven {address} niet meer.",
        "Weer aanmelden", "We schrijven {address} weer.", "We kunnen niet meer naar dit adres schrijven.",
        "Welke berichten mogen we {address} sturen?", "“{topic}” niet meer ontvangen",
        "We sturen “{topic}” niet meer naar {address}.", "Voor alles afmelden", "Of kies wat je wilt ontvangen",
        "Opslaan", "Je keuze is opgeslagen.",
        "Deze link werkt niet", "Hij is niet volledig, of het bericht is weg. Gebruik de link in een nieuwer bericht.",
    ),
}  # fmt: skip


def language_of(wanted: str, accepted: str) -> str:
    """
    The language of a page: the contact's, or else the first of the browser's (RFC 9110, 12.5.4) that there is.

    >>> language_of("fr-CA", ""), language_of("", "pt, de-AT;q=0.8, en;q=0.9"), language_of("xx", "")
    ('fr', 'en', 'en')
    """
    return next((word for word in [_primary(wanted), *_by_weight(accepted)] if word in WORDINGS), "en")


def _by_weight(accepted: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for each in accepted[:1000].split(","):
        tag, _, weight = each.partition(";q=")
        try:
            weighed.append((-float(weight or 1), _primary(tag)))
        except ValueError:
            continue
    return [word for _, word in sorted(weighed, key=lambda pair: pair[0])]


def _primary(tag: str) -> str:
    return tag.strip().lower().replace("_", "-").partition("-")[0]
