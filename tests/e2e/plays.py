"""What the tests ask and what the upstream answers: questions, tools, and chains whose first candidate dies."""

from typing import Any

from tests.e2e.configuration import VOCABULARIES, Pair

SAID = "You said: Hi there"
MESSAGES: list[Any] = [{"role": "user", "content": "Hi there"}]
# Three deaths before the first content: after the opening events, on the wire, and by status.
DEATHS = {"responses": "demo+error-200", "chat": "demo+cut-0", "messages": "demo+503"}
REASONS = {"responses": "server_error", "chat": "network_error", "messages": "server_error"}
# Settings under `defaults` for upstreams that fall silent.
IMPATIENT = {"timeouts": {"headers_seconds": 0.2, "first_token_seconds": 0.2, "idle_seconds": 0.2}}

# A picture of one pixel.
IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_NAMES = ("weather", "time")
ARGUMENTS = [("weather", '{"city":"value 1"}'), ("time", '{"city":"value 2"}')]
RESPONSES_TOOLS: Any = [{"type": "function", "name": name, "parameters": SCHEMA, "strict": True} for name in _NAMES]
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in _NAMES]
MESSAGES_TOOLS: Any = [{"name": name, "input_schema": SCHEMA} for name in _NAMES]


def dying(upstream: str) -> Pair:
    """A candidate that fails before content, in another vocabulary than `upstream`'s."""
    other = VOCABULARIES[(VOCABULARIES.index(upstream) + 1) % len(VOCABULARIES)]
    return other, DEATHS[other]


def chain(upstream: str, falls_back: bool, says: str = "") -> list[Pair]:
    """A route to `upstream`; with a fallback, another candidate stands before it and dies."""
    last = (upstream, f"demo+{says}" if says else "demo")
    return [dying(upstream), last] if falls_back else [last]


def served_by(upstream: str, says: str = "") -> str:
    """The name of the target that `chain` ends with."""
    return f"{upstream}/demo+{says}" if says else f"{upstream}/demo"
