"""How a provider is asked to go on with an answer that broke off: what was said is the assistant's last message.

Source: the vendor's page build-with-claude/prompt-engineering/prefill-claudes-response. Models from 4.6 on refuse it
with a 400 (see `providers/models.py`).
"""

from typing import Any

from proxy.canonical.request import Continuation


def ask_to_go_on(continuation: Continuation, body: dict[str, Any]) -> None:
    """Add the message and lower the output limit. In place."""
    body["messages"] = [*body["messages"], {"role": "assistant", "content": continuation.text}]
    if continuation.limit is not None:
        body["max_tokens"] = min(body["max_tokens"], continuation.limit)
