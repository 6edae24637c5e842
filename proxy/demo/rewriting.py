"""What modifiers do to a list of frames, whatever the vocabulary."""

from itertools import zip_longest
from typing import Any

from proxy.demo.frames import Frame, Role, number
from proxy.demo.misbehaviour import Behaviour

_BROKEN = b'{"type": "broken", "choices": [{"index": 0, "delta": {"con'


def rewrite(frames: list[Frame], behaviour: Behaviour) -> list[Frame]:
    """The frames as the modifiers want them, but for how they are spelled and where the stream breaks off."""
    flags = behaviour.flags
    if "overlap-tools" in flags:
        frames = _overlapped(frames)
    if "dup-tool-index" in flags:
        _give_one_index(frames)
    if "no-usage" in flags:
        frames = _without_usage(frames)
    elif "usage-odd-every" in flags:
        _spread_usage(frames)
    elif flags & {"usage-odd", "usage-odd-groq"}:
        frames = _with_usage_at_the_finish(frames, "usage-odd-groq" in flags)
    for name, count in (("malformed", 1), ("malformed2", 2)):
        if name in behaviour.numbers:
            frames = _inserted(frames, behaviour.numbers[name], [Frame(_BROKEN, event=_event(frames))] * count)
    number(frames)
    return frames


def after_content(frames: list[Frame], count: int) -> int:
    """The index behind the `count`-th content frame; 0 = before the first; past the last = before the finish."""
    places = [i for i, frame in enumerate(frames) if frame.role is Role.CONTENT]
    if 0 < count <= len(places):
        return places[count - 1] + 1
    end = next((i for i, frame in enumerate(frames) if frame.role is Role.FINISH), len(frames))
    return places[0] if count == 0 and places else end


def reporting_frame(frames: list[Frame]) -> Frame | None:
    """The frame with the final usage, if there is one."""
    return next((frame for frame in reversed(frames) if frame.usage and frame.usage[0].get(frame.usage[1])), None)


def _inserted(frames: list[Frame], count: int, more: list[Frame]) -> list[Frame]:
    at = after_content(frames, count)
    return [*frames[:at], *more, *frames[at:]]


def insert_novelty(frames: list[Frame], novelty: Frame) -> list[Frame]:
    return _inserted(frames, 1, [novelty])


def _event(frames: list[Frame]) -> str:
    """A broken frame calls itself what its neighbours do, or not at all where nobody does."""
    return next((frame.event for frame in frames if frame.role is Role.CONTENT), frames[0].event)


def _overlapped(frames: list[Frame]) -> list[Frame]:
    first = next((i for i, frame in enumerate(frames) if frame.call is not None), len(frames))
    calls: dict[int, list[Frame]] = {}
    for frame in frames:
        if frame.call is not None:
            calls.setdefault(frame.call, []).append(frame)
    mixed = [frame for turn in zip_longest(*calls.values()) for frame in turn if frame is not None]
    return [*frames[:first], *mixed, *(frame for frame in frames[first:] if frame.call is None)]


def _give_one_index(frames: list[Frame]) -> None:
    places = [frame.position for frame in frames if frame.call is not None and frame.position is not None]
    for payload, name in places:
        payload[name] = places[0][0][places[0][1]]


def _without_usage(frames: list[Frame]) -> list[Frame]:
    for frame in frames:
        if frame.usage:
            frame.usage[0].pop(frame.usage[1], None)
    return [frame for frame in frames if frame.role is not Role.USAGE]


def _final_usage(frames: list[Frame]) -> Any:
    frame = reporting_frame(frames)
    return frame.usage[0][frame.usage[1]] if frame and frame.usage else None


def _with_usage_at_the_finish(frames: list[Frame], is_nested: bool) -> list[Frame]:
    final = _final_usage(frames)
    kept = [frame for frame in frames if frame.role is not Role.USAGE]
    for frame in kept:
        if frame.usage and (told := frame.usage[0].pop(frame.usage[1], None)) and frame.role is not Role.FINISH:
            frame.usage[0][frame.usage[1]] = _share(told, 0, 1)
    finish = next(frame for frame in reversed(kept) if frame.role is Role.FINISH)
    if is_nested and isinstance(finish.payload, dict):
        finish.payload["x_groq"] = {"id": "req_01demo"}
        finish.usage = (finish.payload["x_groq"], "usage")
    if finish.usage:
        finish.usage[0][finish.usage[1]] = final
    return kept


def _spread_usage(frames: list[Frame]) -> None:
    final = _final_usage(frames)
    content = [frame for frame in frames if frame.role is Role.CONTENT]
    for i, frame in enumerate(content, 1):
        if isinstance(frame.payload, dict):
            frame.payload["usage"] = _share(final, i, len(content))


def _share(usage: Any, part: int, whole: int) -> Any:
    if isinstance(usage, dict):
        return {name: _share(count, part, whole) for name, count in usage.items()}
    return usage * part // whole if isinstance(usage, int) else usage
