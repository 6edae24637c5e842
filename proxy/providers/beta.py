"""The `anthropic-beta` values that may go upstream: what a request may switch on for itself, and nothing that reaches
into the operator's account (files, skills, agents, profiles, administration)."""

from collections.abc import Iterable

# anthropic 2.11.0, types/anthropic_beta_param.py, those that concern Messages.
_MESSAGES = (
    "advisor-tool-2026-03-01",
    "cache-diagnosis-2026-04-07",
    "code-execution-2025-05-22",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "extended-cache-ttl-2025-04-11",
    "fast-mode-2026-02-01",
    "inline-tools-2026-09-15",
    "interleaved-thinking-2025-05-14",
    "mcp-client-2025-04-04",
    "mcp-client-2025-11-20",
    "mcp-client-2026-09-15",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-system-clear-at-2026-08-21",
    "mid-conversation-tool-changes-2026-07-01",
    "model-context-window-exceeded-2025-08-26",
    "output-128k-2025-02-19",
    "output-300k-2026-03-24",
    "pdfs-2024-09-25",
    "prompt-caching-2024-07-31",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "thinking-token-count-2026-05-13",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
)
# The first is read in anthropic 2.11.0, lib/streaming/_beta_messages.py, and no longer needed. The second is no
# documented feature: Claude Code sends it, as tests of other gateways in public repositories record.
_ELSEWHERE = ("fine-grained-tool-streaming-2025-05-14", "claude-code-20250219")

KNOWN = frozenset(_MESSAGES + _ELSEWHERE)


def allowed(headers: Iterable[str]) -> list[str]:
    """The known values in the client's `anthropic-beta` headers (each a comma-separated list), in order, once each."""
    named = (value.strip() for header in headers for value in header.split(","))
    return list(dict.fromkeys(value for value in named if value in KNOWN))
