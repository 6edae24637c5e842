"""Delta frames rewritten without parsing them: within one part everything but the number and the words is constant, so
it is learned from the first delta and compared with the rest."""

import re
from typing import NamedTuple

_NUMBER = re.compile(rb'"sequence_number":\s*(\d+),')
_WORDS = re.compile(rb'"delta":\s*')


class Template(NamedTuple):
    """What stands before the number and between it and the words, at the provider and here."""

    front: bytes
    back: bytes
    our_front: bytes
    our_back: bytes

    def apply(self, payload: bytes, number: int) -> bytes | None:
        """The whole frame with our number and id; None if it is not what was learned."""
        front, back, our_front, our_back = self
        start = len(front)
        end = payload.find(b",", start)
        if not payload.startswith(front) or not payload.startswith(back, end) or not payload[start:end].isdigit():
            return None
        if b"\n" in payload:
            return None  # data over several lines
        return b"%b%d%b%b\n\n" % (our_front, number, our_back, payload[end + len(back) :])


def learn(payload: bytes, event: bytes, their_id: bytes, our_id: bytes) -> Template | None:
    """The template of the part whose delta `payload` is; None where the order of its members does not allow one.
    `their_id` and `our_id`: the item's id as a JSON string."""
    number = _NUMBER.search(payload)
    words = _WORDS.search(payload, number.end()) if number is not None else None
    if number is None or words is None:
        return None
    front, back = payload[: number.start(1)], payload[number.end(1) : words.end()]
    constant = front + back
    if constant.count(their_id) != 1 or b'"%b"' % event not in constant:
        return None
    before = b"event: %b\ndata: " % event
    return Template(front, back, before + front.replace(their_id, our_id), back.replace(their_id, our_id))
