"""Why a message ended. Source: anthropic (Python) 2.11, `types/stop_reason.py`."""

from collections.abc import Collection

from proxy.canonical.events import BlockKind, StopReason

_READ = {
    "end_turn": StopReason.END,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "tool_use": StopReason.TOOL_CALLS,
    "pause_turn": StopReason.PAUSE,
    "refusal": StopReason.REFUSAL,
}
_WRITTEN = {
    StopReason.END: "end_turn",
    StopReason.LENGTH: "max_tokens",
    StopReason.TOOL_CALLS: "tool_use",
    StopReason.CONTENT_FILTER: "refusal",
    StopReason.STOP_SEQUENCE: "stop_sequence",
    StopReason.REFUSAL: "refusal",
    StopReason.PAUSE: "pause_turn",
}
_CALLS = frozenset({BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL})


def read_stop_reason(word: str) -> StopReason:
    """An unknown word is an ordinary end."""
    return _READ.get(word, StopReason.END)


def write_stop_reason(reason: StopReason, kinds: Collection[BlockKind]) -> str:
    """`kinds`: the blocks of the message. Other wires say a plain end where this one says what it ended in."""
    calls = not _CALLS.isdisjoint(kinds)
    if reason in (StopReason.END, StopReason.TOOL_CALLS):
        if calls:
            return "tool_use"
        return "refusal" if BlockKind.REFUSAL in kinds else "end_turn"
    return _WRITTEN[reason]
