"""What JSON documents of the service have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Given(BaseModel):
    """What somebody sends: nothing that is not known, and no value taken for another."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Document(BaseModel):
    """What the service answers: each document says the version of its form."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1


class Error(Given):
    """What is wrong, and what to do."""

    code: str
    message: str
    hint: str


class Problem(Document):
    """The answer where something is wrong."""

    error: Error
