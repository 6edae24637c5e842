"""What goes between the routes of /admin and what they do."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel

from proxy.master.control import Control
from proxy.store.down import StoreDown

PARTIAL = 207
_KEY = re.compile(r"sg-[0-9a-z]{8}-[0-9A-Za-z]*")
Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)


class Asked(NamedTuple, Generic[Q, B]):
    """`name`: what stands in the path for `{id}` or `{name}`, "" where nothing does."""

    name: str
    query: Q
    body: B


class Answer(NamedTuple):
    """`subject`: what the audit line is about, where the path does not say; `details`: what else it tells.
    `is_partial`: somebody is missing."""

    body: BaseModel
    subject: str = ""
    is_partial: bool = False
    details: Mapping[str, str] = MappingProxyType({})


class Refused(Exception):
    """Nothing was done, unless the message says otherwise. `field`: which field of the body, or parameter, is wrong."""

    def __init__(self, status: int, message: str, field: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.details = details


async def reached(control: Control) -> None:
    """To be asked before the first change: with the store down, nothing is to be half done. Raises Refused."""
    try:
        await control.records.state()
    except StoreDown as down:
        raise Refused(503, f"{outage(down)} Nothing was changed.") from None


def sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def outage(down: StoreDown) -> str:
    """That our breaker kept us from asking is our own affair; why it does so is told anyway."""
    return sentence(down).replace(" (breaker)", "")


def without_keys(text: str) -> str:
    """Where an id or a name belongs, people paste keys; those must not come out again, in a log least of all."""
    return _KEY.sub("[key]", text)
