"""The key with which a project signs its e-mail: from a file that only its owner reads, or from the environment."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from campaignctl.engine.rules import Signature
from campaignctl.errors import ChannelError
from campaignctl.project import ProjectFile, unset_variable

PEM_BEGINS: Final = "-----BEGIN"
_LARGEST: Final = 64 * 1024


def signature_of(project: ProjectFile) -> Signature | None:
    """
    What signs the e-mail of a project; None where it names no key.

    Raises:
        ChannelError: the key cannot be had, or others may read it.
    """
    email = project.project.channels.email
    if email is None or email.dkim is None:
        return None
    settings = email.dkim
    if (name := unset_variable(settings.key)) is not None:
        raise ChannelError("D101", f"the environment variable `{name}` is not set", "set it, or leave `dkim` out")
    try:
        from campaignctl.message.dkim import DkimSignature, private_key
    except ImportError as failure:
        raise ChannelError(
            "D142", "signing mail needs the package `cryptography`", "install `campaignctl[dkim]`"
        ) from failure
    pem = _pem(settings.key) if settings.key.startswith(PEM_BEGINS) else _content(project.folder / settings.key)
    try:
        return DkimSignature(settings.domain, settings.selector, private_key(pem))
    except ValueError as failure:
        raise ChannelError(
            "D140", f"the DKIM key cannot be used: {failure}", "make one with `openssl genrsa -out dkim.pem 2048`"
        ) from failure


def _pem(text: str) -> bytes:
    # Files of variables keep a text of several lines on one.
    return text.replace("\\n", "\n").encode()


def _content(path: Path) -> bytes:
    """The content of the key's file; its path is for people, what is in it never."""
    hint = "check `channels.email.dkim.key`: a path, or `${NAME}` with the key itself"
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o007:
                raise ChannelError(
                    "D141", f"everybody may read the DKIM key `{path}` ({mode:04o})", f"run `chmod 600 {path}`"
                )
            return file.read(_LARGEST)
    except (OSError, ValueError) as failure:
        said = failure.strerror if isinstance(failure, OSError) else "it is no path"
        raise ChannelError("D140", f"the DKIM key `{path}` cannot be read: {said}", hint) from failure
