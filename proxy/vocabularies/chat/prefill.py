"""How a provider is asked to go on with an answer that broke off: what was said is the assistant's last message.

Sources: api-docs.deepseek.com/guides/chat_prefix_completion and mistralai 3.7.0, `client/models/assistantmessage.py`
(`prefix`); vllm-project/vllm, `entrypoints/openai/chat_completion/protocol.py` (`continue_final_message`, which
excludes `add_generation_prompt`).
"""

from typing import Any

from proxy.canonical.request import Continuation
from proxy.wire.quirks import Quirks


def ask_to_go_on(continuation: Continuation, quirks: Quirks, members: dict[str, Any]) -> None:
    """Add the message and the members it needs, and lower the output limit if there is one. In place."""
    last: dict[str, Any] = {"role": "assistant", "content": continuation.text}
    if quirks.prefill == "prefix":
        last["prefix"] = True
    elif quirks.prefill == "continue_final_message":
        members |= {"continue_final_message": True, "add_generation_prompt": False}
    members["messages"] = [*members["messages"], last]
    if continuation.limit is not None and quirks.max_tokens_parameter in members:
        members[quirks.max_tokens_parameter] = continuation.limit
