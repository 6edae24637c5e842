"""Request settings under canonical names, and how a vocabulary's column of the parameter table is applied.

The rows are here; each vocabulary's cells are its own `parameters.py`. Together they are docs/parameters.md.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from proxy.canonical.account import Warning


class Action(StrEnum):
    PASS = "pass"
    RENAME = "rename"
    MAP = "map"
    DROP = "drop"
    INELIGIBLE = "ineligible"


class Rule(msgspec.Struct, frozen=True):
    """One cell. `wire` is the member written (PASS: the canonical name); `convert` makes the members of a MAP, or None
    where the value cannot be expressed (then it is dropped with a warning). `neutral` lists the values that ask for
    nothing: an INELIGIBLE or DROP rule lets them go silently. `note` explains the cell in the docs."""

    action: Action
    wire: str = ""
    convert: Callable[[Any], Mapping[str, Any] | None] | None = None
    neutral: tuple[Any, ...] = ()
    note: str = ""


PASS = Rule(Action.PASS)


def rename(wire: str, note: str = "") -> Rule:
    return Rule(Action.RENAME, wire, note=note)


def mapped(convert: Callable[[Any], Mapping[str, Any] | None], note: str) -> Rule:
    return Rule(Action.MAP, convert=convert, note=note)


def dropped(note: str = "", *, neutral: tuple[Any, ...] = ()) -> Rule:
    return Rule(Action.DROP, neutral=neutral, note=note)


def ineligible(note: str, *, neutral: tuple[Any, ...] = ()) -> Rule:
    return Rule(Action.INELIGIBLE, neutral=neutral, note=note)


class Parameter(msgspec.Struct, frozen=True):
    """One row. `structural` ones are fields of `Request` rather than members of `Request.parameters`; their cells
    describe what the vocabulary's request writer does."""

    name: str
    meaning: str
    structural: bool = False


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("max_output_tokens", "the most tokens to generate (max_tokens, max_completion_tokens)"),
    Parameter("temperature", "sampling temperature"),
    Parameter("top_p", "nucleus sampling"),
    Parameter("top_k", "sample from the k likeliest tokens"),
    Parameter("stop", "stop sequences (list of strings)"),
    Parameter("seed", "reproducible sampling"),
    Parameter("n", "how many answers"),
    Parameter("logprobs", "return log probabilities"),
    Parameter("top_logprobs", "how many alternatives per token"),
    Parameter("logit_bias", "bias of single tokens"),
    Parameter("presence_penalty", "penalty for tokens that occurred"),
    Parameter("frequency_penalty", "penalty by how often a token occurred"),
    Parameter("modalities", "kinds of output, e.g. text and audio"),
    Parameter("audio", "voice and format of audio output"),
    Parameter("prediction", "predicted output"),
    Parameter("parallel_tool_calls", "whether several tools may be called at once"),
    Parameter("max_tool_calls", "the most hosted tool calls"),
    Parameter("service_tier", "the provider's processing tier"),
    Parameter("prompt_cache_key", "routes to a prompt cache"),
    Parameter("prompt_cache_retention", "how long the prompt cache is kept"),
    Parameter("safety_identifier", "a stable hash naming the end user"),
    Parameter("user", "the end user (older name)"),
    Parameter("metadata", "the caller's own key-value pairs"),
    Parameter("include", "extra output to return"),
    Parameter("truncation", "what to do when the context is full"),
    Parameter("verbosity", "how long the answer should be"),
    Parameter("store", "keep the response at the provider"),
    Parameter("web_search_options", "web search settings of Chat Completions"),
    Parameter("prompt", "a stored prompt template"),
    Parameter("context_management", "server-side context editing or compaction"),
    Parameter("container", "a code execution container"),
    Parameter("mcp_servers", "remote MCP servers"),
    Parameter("system", "system or developer instructions, their role", structural=True),
    Parameter("tools", "function and custom tools", structural=True),
    Parameter("strict", "strict schemas for tools", structural=True),
    Parameter("tool_choice", "which tool must, may or may not be called", structural=True),
    Parameter("output_format", "JSON or a JSON schema as the answer's form", structural=True),
    Parameter("reasoning", "reasoning effort or thinking budget", structural=True),
    Parameter("cache_control", "prompt-cache breakpoints", structural=True),
    Parameter("stream_options", "usage and obfuscation in streams", structural=True),
)
NAMES = frozenset(p.name for p in PARAMETERS)

Column = Mapping[str, Rule]


def apply(
    parameters: Mapping[str, Any], column: Column, drop: frozenset[str], members: dict[str, Any]
) -> list[Warning]:
    """Write `parameters` into `members` by `column`; returns what was dropped. `drop`: canonical names the provider
    rejects (a quirk). Ineligible rules were judged before (`objections`) and write nothing."""
    warnings = []
    for name, value in parameters.items():
        rule = column[name]
        if name in drop:
            warnings.append(Warning(name, "dropped"))
        elif rule.action is Action.PASS or rule.action is Action.RENAME:
            members[rule.wire or name] = value
        elif rule.action is Action.MAP and rule.convert is not None:
            converted = rule.convert(value)
            if converted is None:
                warnings.append(Warning(name, "dropped"))
            else:
                members.update(converted)
        elif rule.action is Action.DROP and value not in rule.neutral:
            warnings.append(Warning(name, "dropped"))
    return warnings


def unmet(parameters: Mapping[str, Any], column: Column) -> list[str]:
    """The parameters whose value makes a target of this vocabulary ineligible."""
    return [
        name
        for name, value in parameters.items()
        if column[name].action is Action.INELIGIBLE and value not in column[name].neutral
    ]
