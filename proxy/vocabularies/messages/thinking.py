"""Reasoning between effort words and this wire's thinking settings.

Sources: anthropic (Python) 2.11, `types/thinking_config_*_param.py`, `types/output_config_param.py` (a budget is at
least 1024 and below max_tokens); the vendor's pages "Adaptive thinking" (its turns need not begin with a thinking
block) and "Extended thinking" (with a budget they must; forced tool choice, temperature and top_k are refused).
Budgets per effort: pydantic-ai, `profiles/anthropic.py`.
"""

from typing import Any, NamedTuple

from proxy.canonical.request import Reasoning

SMALLEST_BUDGET = 1024
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 10_000, "high": 16_384, "xhigh": 32_768, "max": 32_768}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


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
    if kind == "disabled":
        return Reasoning(effort=effort, disabled=True)
    budget = thinking.get("budget_tokens") if kind == "enabled" else None
    return Reasoning(
        effort=effort,
        budget=budget if isinstance(budget, int) else None,
        adaptive=kind != "enabled",
        summary="auto" if thinking.get("display") == "summarized" else None,
    )


def write_reasoning(reasoning: Reasoning, style: str | None, max_tokens: int) -> Thinking:
    """`style`: the quirk `thinking`; not knowing it, a budget is asked for."""
    if reasoning.disabled or reasoning.effort == "none":
        # The newest models refuse `disabled`; saying nothing is as near as one gets.
        return Thinking({}, changed=True) if style == "adaptive" else Thinking({"thinking": {"type": "disabled"}})
    if style == "adaptive":
        return _adaptive(reasoning)
    return _budgeted(reasoning, max_tokens)


def _adaptive(reasoning: Reasoning) -> Thinking:
    members: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "summarized"}}
    if reasoning.effort is not None:
        effort = _EFFORTS.get(reasoning.effort, "high")
        return Thinking({**members, "output_config": {"effort": effort}}, changed=effort != reasoning.effort)
    if reasoning.budget is not None:
        return Thinking({**members, "output_config": {"effort": effort_of(reasoning.budget)}}, changed=True)
    return Thinking(members)


def _budgeted(reasoning: Reasoning, max_tokens: int) -> Thinking:
    if max_tokens <= SMALLEST_BUDGET:
        return Thinking(None)
    wanted = reasoning.budget or BUDGETS.get(reasoning.effort or "medium", BUDGETS["high"])
    budget = max(wanted, SMALLEST_BUDGET)
    if budget >= max_tokens:
        budget = max(max_tokens // 2, SMALLEST_BUDGET)  # half is left for the answer
    members = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return Thinking(members, changed=budget != wanted or reasoning.adaptive)


def effort_of(budget: int) -> str:
    """The effort whose budget comes next."""
    for effort in ("low", "medium", "high", "xhigh"):
        if budget <= BUDGETS[effort]:
            return effort
    return "max"


def lost_its_thinking(messages: list[dict[str, Any]]) -> bool:
    """Whether the last assistant turn calls tools without a thinking block before them: with a budget, a 400."""
    last = next((message for message in reversed(messages) if message.get("role") == "assistant"), None)
    content = last.get("content") if last else None
    if not isinstance(content, list):
        return False
    kinds = [block.get("type") for block in content if isinstance(block, dict)]
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")
