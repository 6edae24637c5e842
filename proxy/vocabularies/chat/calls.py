"""Which tool call a fragment belongs to. By the book its `index` says so; in the field servers number every call 0,
leave index or id out, repeat the name in each chunk, or mint a fresh id for each chunk."""

from typing import Any, NamedTuple

import msgspec

from proxy.vocabularies.chat.schema import ENCODER, OBJECT, Fragment


class Call(msgspec.Struct):
    """One tool call of one choice. `position` counts 0, 1, … by appearance; `block` is the canonical block, -1 until
    the name is known; `pieces` are arguments nobody has been told of, or all of them where the call has no id."""

    position: int
    id: str
    index: int | None
    custom: bool = False
    name: str = ""
    block: int = -1
    pieces: list[str] = []


class Placed(NamedTuple):
    """The call a fragment belongs to; whether the fragment begins it; whether it is the first to name it."""

    call: Call
    begins: bool
    names: bool


class CallTable:
    """The calls of one choice. Asking `place` for each fragment in order gives the same answer to everybody."""

    def __init__(self) -> None:
        self._by_id: dict[str, Call] = {}
        self._by_index: dict[int, Call] = {}
        self._last: Call | None = None
        self.calls: list[Call] = []

    def at(self, index: int | None) -> Call | None:
        """The call that goes by a provider's index, if its id is known too."""
        call = self._by_index.get(index) if index is not None else None
        return call if call is not None and call.id else None

    def place(self, fragment: Fragment) -> Placed:
        """The call `fragment` continues or begins."""
        call = self._continued(fragment)
        begins = call is None
        if call is None:
            call = Call(len(self.calls), fragment.id or "", fragment.index, fragment.custom is not None)
            self.calls.append(call)
            if call.id:
                self._by_id[call.id] = call
            if fragment.index is not None:
                self._by_index[fragment.index] = call
        self._last = call
        names = not call.name and bool(fragment.name)
        call.name = call.name or fragment.name
        if call.block < 0 or not call.id:
            call.pieces.append(arguments_text(fragment.arguments))
        return Placed(call, begins, names)

    def _continued(self, fragment: Fragment) -> Call | None:
        name, index = fragment.name, fragment.index
        known = self._by_id.get(fragment.id) if fragment.id else None
        if known is not None:
            # The same id under another index, with a name: a server that uses the function's name for an id.
            if not name or index is None or index == known.index:
                return known
            other = self._by_index.get(index)
            return other if other is not None and other.id == known.id else None
        candidate = self._last if index is None else self._by_index.get(index)
        if candidate is None or not name or not candidate.name:
            # A nameless fragment continues, even under an id of its own.
            return candidate
        if fragment.id or name != candidate.name:
            return None
        begins_anew = bool(arguments_text(fragment.arguments)) and _is_object("".join(candidate.pieces))
        return None if begins_anew else candidate


def arguments_text(arguments: Any) -> str:
    """Arguments as text, whether they came as text or as an object."""
    if type(arguments) is str:
        return arguments
    return ENCODER.encode(arguments).decode() if isinstance(arguments, (dict, list)) else ""


def _is_object(text: str) -> bool:
    try:
        OBJECT.decode(text)
    except msgspec.DecodeError:
        return False
    return True
