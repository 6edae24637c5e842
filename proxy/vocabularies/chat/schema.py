"""Views of the Chat Completions wire: only the members somebody reads, decoded straight from the bytes.

Sources: openai-python 3.52 `types/chat/chat_completion_chunk.py`, `chat_completion.py`; openai/openai-openapi issue 576
for streamed custom calls, which the schema lacks; OpenRouterTeam/docs, `guides/best-practices/reasoning-tokens.mdx`
(`reasoning`, `reasoning_details`); api-docs.deepseek.com/guides/thinking_mode (`reasoning_content`); symfony/ai pull
388 (`search_results`, `citations`).
"""

from typing import Annotated, Any, Literal

import msgspec


class FunctionView(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None  # a string by the book, an object at some servers


class CustomView(msgspec.Struct, gc=False):
    name: str | None = None
    input: Any = None


class Fragment(msgspec.Struct, gc=False):
    """A piece of a tool call. `index` and `id` are what the provider says, not to be relied on."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionView | None = None
    custom: CustomView | None = None

    @property
    def name(self) -> str:
        return (self.function and self.function.name) or (self.custom and self.custom.name) or ""

    @property
    def arguments(self) -> Any:
        if self.function is not None:
            return self.function.arguments
        return self.custom.input if self.custom is not None else None


class Spoken(msgspec.Struct, gc=False):
    """A delta, or a whole message: the members are the same."""

    role: Any = None
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    tool_calls: list[Fragment] | None = None
    function_call: FunctionView | None = None
    annotations: Any = None


class Choice(msgspec.Struct, gc=False):
    index: int | None = 0
    delta: Spoken | None = None
    message: Spoken | None = None
    finish_reason: str | None = None
    error: Any = None

    @property
    def spoken(self) -> Spoken | None:
        """What was said. Some providers add the message so far to each delta; it is repetition."""
        return self.delta if self.delta is not None else self.message


class Chunk(msgspec.Struct, gc=False):
    """One frame, or one whole answer."""

    choices: list[Choice] | None = None
    usage: Any = None
    error: Any = None
    citations: Any = None
    search_results: Any = None


class ProseDelta(msgspec.Struct, gc=False):
    """A delta with text and nothing else that means anything: every member of `Spoken` but `content` is null."""

    content: Annotated[str, msgspec.Meta(min_length=1)]
    refusal: None = None
    reasoning_content: None = None
    reasoning: None = None
    reasoning_details: None = None
    tool_calls: None = None
    function_call: None = None
    annotations: None = None


class ProseChoice(msgspec.Struct, gc=False):
    delta: ProseDelta
    index: Literal[0] = 0
    message: None = None
    finish_reason: None = None
    error: None = None


class ProseChunk(msgspec.Struct, gc=False):
    """A chunk of the first choice's text, and of nothing else."""

    choices: tuple[ProseChoice]
    usage: None = None
    error: None = None
    citations: None = None
    search_results: None = None


CHUNK = msgspec.json.Decoder(Chunk)
PROSE = msgspec.json.Decoder(ProseChunk)
OBJECT = msgspec.json.Decoder(dict[str, Any])
ENCODER = msgspec.json.Encoder()
DONE = b"[DONE]"
