"""Where text lands on this wire: which item, which list of parts, which events announce, carry and close it.

Source: the event and item models of openai-python 3.52, `types/responses/`.
"""

from typing import NamedTuple

from proxy.canonical.events import BlockKind


class Channel(NamedTuple):
    """`item` holds a list of `part`s called `list`; an event gives a part's place in it as the member `number`. `text`
    is the member that holds the words. Calls have no parts: their words are a member of the item itself."""

    item: str
    event: str
    text: str
    list: str = ""
    number: str = ""
    part: str = ""
    bracket: str = ""


TEXT = Channel(
    "message", "response.output_text", "text", "content", "content_index", "output_text", "response.content_part"
)
REFUSAL = Channel(
    "message", "response.refusal", "refusal", "content", "content_index", "refusal", "response.content_part"
)
SUMMARY = Channel(
    "reasoning",
    "response.reasoning_summary_text",
    "text",
    "summary",
    "summary_index",
    "summary_text",
    "response.reasoning_summary_part",
)
RAW_REASONING = Channel(
    "reasoning",
    "response.reasoning_text",
    "text",
    "content",
    "content_index",
    "reasoning_text",
    "response.content_part",
)
ARGUMENTS = Channel("function_call", "response.function_call_arguments", "arguments")
CUSTOM_INPUT = Channel("custom_tool_call", "response.custom_tool_call_input", "input")

BY_KIND = {
    BlockKind.TEXT: TEXT,
    BlockKind.REFUSAL: REFUSAL,
    BlockKind.REASONING: SUMMARY,
    BlockKind.RAW_REASONING: RAW_REASONING,
    BlockKind.TOOL_CALL: ARGUMENTS,
    BlockKind.CUSTOM_CALL: CUSTOM_INPUT,
}
KIND = {channel: kind for kind, channel in BY_KIND.items()}
BY_EVENT = {channel.event: channel for channel in KIND}
BY_PART = {channel.part: channel for channel in KIND if channel.part}
BY_CALL = {channel.item: channel for channel in (ARGUMENTS, CUSTOM_INPUT)}
PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_"}
# Items that hold encrypted content only their origin can read, under the name `encrypted_content`.
COMPACTIONS = ("compaction", "compaction_summary")
ENCRYPTED = "encrypted"
