"""The edits that make relayed tool-call fragments and reasoning details right: our indexes and ids, origin tags."""

from collections.abc import Iterator

from proxy.canonical import ids
from proxy.vocabularies.chat import details, spans
from proxy.vocabularies.chat.calls import CallTable, Placed, arguments_text
from proxy.vocabularies.chat.schema import ENCODER, OBJECT, Fragment
from proxy.vocabularies.chat.spans import Edit, Span


def call_edits(text: bytes, at: Span, fragments: list[Fragment], table: CallTable, seed: str) -> list[Edit]:
    """What has to change in the `tool_calls` array at `at`: index, id and name as contract §4 wants them."""
    edits: list[Edit] = []
    for fragment, place in zip(fragments, spans.elements(text, at), strict=True):
        edits += _fragment_edits(text, place, fragment, table.place(fragment), seed)
    return edits


def _fragment_edits(text: bytes, place: Span, fragment: Fragment, placed: Placed, seed: str) -> list[Edit]:
    call, begins, names = placed
    inside = spans.members(text, place)
    kind = "custom" if fragment.function is None and fragment.custom is not None else "function"
    wanted: dict[str, bytes] = {"index": b"%d" % call.position}
    if begins:
        wanted["id"] = ENCODER.encode(ids.call_id(seed, call.position, call.id))
        if not fragment.type:
            wanted["type"] = b'"%b"' % kind.encode()
    edits = _set(text, place, inside, wanted)
    if not begins and fragment.id:
        edits.append(spans.removal(text, inside["id"]))
    if kind not in inside or text[inside[kind].start : inside[kind].start + 1] != b"{":
        return edits
    words = spans.members(text, inside[kind])
    member = "input" if kind == "custom" else "arguments"
    if not isinstance(fragment.arguments, str) and (begins or fragment.arguments is not None):
        wanted = {member: ENCODER.encode(arguments_text(fragment.arguments))}
        edits += _set(text, inside[kind], words, wanted)
    if fragment.name and not names:
        edits.append(spans.removal(text, words["name"]))
    return edits


def detail_edits(text: bytes, at: Span, materials: Iterator[str]) -> list[Edit]:
    """Tagged material in place of what the provider wrote, entry by entry in the order the decoder told of them."""
    edits = []
    for place in spans.elements(text, at):
        if text[place.start : place.start + 1] != b"{":
            continue
        member = details.opaque_member(OBJECT.decode(text[place.start : place.end]))
        if member is not None and (material := next(materials, None)) is not None:
            value = spans.members(text, place)[member]
            edits.append(Edit(value.start, value.end, ENCODER.encode(material)))
    return edits


def _set(text: bytes, place: Span, inside: dict[str, Span], wanted: dict[str, bytes]) -> list[Edit]:
    """Edits that give an object's members these values, adding those it lacks."""
    edits = [
        Edit(inside[name].start, inside[name].end, value)
        for name, value in wanted.items()
        if name in inside and text[inside[name].start : inside[name].end] != value
    ]
    lacking = [b'"%b":%b' % (name.encode(), value) for name, value in wanted.items() if name not in inside]
    if lacking:
        brace = place.start + 1
        comma = b"," if inside else b""
        edits.append(Edit(brace, brace, b",".join(lacking) + comma))
    return edits
