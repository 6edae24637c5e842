"""Reasoning between effort words and this wire's thinking settings.

Sources: anthropic (Python) 2.11, `types/thinking_config_*_param.py` (a budget is at least 1024 and below max_tokens);
the vendor's pages build-with-claude/adaptive-thinking (turns need not begin with a thinking block),
build-with-claude/thinking-troubleshooting (which model refuses what) and models/sonnet-5-5/migration-guide
(`between_tools` stands for `disabled` there, alone and up to effort high).
"""

from typing import Any, NamedTuple

from proxy.canonical.request import Reasoning
from proxy.wire.effort import BUDGETS, WORDS, nearest, of_budget
from proxy.wire.quirks import Quirks

SMALLEST_BUDGET = 1024
OFF = ("disabled", "between_tools")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


class Thinking(NamedTuple):
    """The members that ask for it, and whether they say something else than the client did. `members` None = it cannot
    be asked for."""

    members: dict[str, Any] | None
    changed: bool = False


def read_reasoning(thinking: dict[str, Any] | None, effort: str | None) -> Reasoning | None:
    """What `thinking` and `output_config.effort` ask for; None if they are silent."""
    kind = thinking.get("type") if thinking else None
    if thinking is None or kind is None:
        return None if effort is None else Reasoning(effort=effort)
    if kind in OFF:
        return Reasoning(effort=effort, disabled=True)
    budget = thinking.get("budget_tokens") if kind == "enabled" else None
    return Reasoning(
        effort=effort,
        budget=budget if isinstance(budget, int) else None,
        adaptive=kind != "enabled",
        summary="auto" if thinking.get("display") == "summarized" else None,
    )


def write_reasoning(reasoning: Reasoning, quirks: Quirks, max_tokens: int) -> Thinking:
    """Not knowing the model's way, a budget is asked for."""
    if reasoning.disabled or reasoning.effort == "none":
        return _off(quirks)
    if quirks.thinking == "adaptive":
        return _adaptive(reasoning, quirks.efforts)
    return _budgeted(reasoning, max_tokens)


def _off(quirks: Quirks) -> Thinking:
    """Some models that think adaptively refuse to be told not to: unless it is known, nothing is said."""
    known = quirks.thinking_off or ("never" if quirks.thinking == "adaptive" else "disabled")
    return Thinking({}, changed=True) if known == "never" else Thinking({"thinking": {"type": known}})


def _adaptive(reasoning: Reasoning, taken: tuple[str, ...] | None) -> Thinking:
    members: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "summarized"}}
    word = reasoning.effort
    if word is None and reasoning.budget is not None:
        word = of_budget(reasoning.budget)
    if word is None:
        return Thinking(members)
    effort = fitted_effort(word, taken)
    return Thinking({**members, "output_config": {"effort": effort}}, changed=effort != reasoning.effort)


def fitted_effort(word: str, taken: tuple[str, ...] | None) -> str:
    """The word of this wire next to `word`."""
    return nearest(word if word in WORDS else "high", taken or _EFFORTS)


def _budgeted(reasoning: Reasoning, max_tokens: int) -> Thinking:
    if max_tokens <= SMALLEST_BUDGET:
        return Thinking(None)
    wanted = reasoning.budget or BUDGETS.get(reasoning.effort or "medium", BUDGETS["high"])
    budget = max(wanted, SMALLEST_BUDGET)
    if budget >= max_tokens:
        budget = max(max_tokens // 2, SMALLEST_BUDGET)  # half is left for the answer
    members = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return Thinking(members, changed=budget != wanted or reasoning.adaptive)


def lost_its_thinking(messages: list[dict[str, Any]]) -> bool:
    """Whether the last assistant turn calls tools without a thinking block before them: with a budget, a 400."""
    last = next((message for message in reversed(messages) if message.get("role") == "assistant"), None)
    content = last.get("content") if last else None
    if not isinstance(content, list):
        return False
    kinds = [block.get("type") for block in content if isinstance(block, dict)]
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")
