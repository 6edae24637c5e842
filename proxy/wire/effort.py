"""How hard to think, in words: what becomes of a word some model does not take, and of a thinking budget in tokens.

Sources: openai-python 3.52, `types/shared_params/reasoning.py`, for the words, of which not every model takes all;
pydantic-ai, `profiles/anthropic.py` (ANTHROPIC_THINKING_BUDGET_MAP), for the budgets but that of `max`, which is ours.
"""

from proxy.canonical.request import Reasoning

WORDS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 10_000, "high": 16_384, "xhigh": 32_768, "max": 32_768}
# What a budget becomes where nothing is known of the model: OpenAI's from gpt-5.1 on refuse minimal
# (openai/openai-agents-python issue 2089), the earlier ones xhigh (its API reference, "reasoning_effort").
_COMMON = ("low", "medium", "high")
# What a client's own word becomes there: `max` is the youngest.
_BEFORE_MAX = WORDS[:-1]


def nearest(word: str, taken: tuple[str, ...] | None) -> str:
    """`word` if the model takes it, else the strongest of `taken` below it, else the weakest. Only who asks for `none`
    gets it. `taken` None, or a word nobody knows: as it is."""
    if not taken or word in taken or word not in WORDS:
        return word
    below = [other for other in WORDS[1 : WORDS.index(word)] if other in taken]
    return below[-1] if below else next((other for other in WORDS[1:] if other in taken), taken[0])


def of_budget(budget: int) -> str:
    """The word whose budget comes next; the smallest budget of all is still `low`."""
    return next((word for word in ("low", "medium", "high", "xhigh") if budget <= BUDGETS[word]), "max")


def wanted(reasoning: Reasoning, taken: tuple[str, ...] | None) -> str | None:
    """The word for what was asked, on wires that know words only; None leaves it to the model."""
    if reasoning.disabled:
        return nearest("none", taken)
    if reasoning.effort is not None:
        return nearest(reasoning.effort, taken or _BEFORE_MAX)
    if reasoning.budget is None or reasoning.adaptive:
        return None
    return nearest(of_budget(reasoning.budget), taken or _COMMON)
