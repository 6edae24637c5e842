"""The Response object: every key present, the request's settings echoed, ids and model ours.

Sources: openai-python 3.52 `types/responses/response.py`; openresponses/openresponses,
`schema/components/schemas/ResponseResource.json`, for what may not be null.
"""

from typing import Any

import msgspec

from proxy.canonical.ids import item_id
from proxy.canonical.usage import Usage
from proxy.wire.codec import Head

Members = dict[str, msgspec.Raw]
ENCODE = msgspec.json.Encoder().encode
# One level of JSON: members and entries keep their bytes.
MEMBERS = msgspec.json.Decoder(Members)
ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])

# Every setting a Response echoes, with what it is when the request is silent.
_SETTINGS: dict[str, Any] = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_OURS = {"store": False, "background": False, "previous_response_id": None}
# What the provider decides: its own word stands.
_DECIDED = ("service_tier",)
_FUNCTION = {"description": None, "parameters": None, "strict": True}
_STATE: dict[str, Any] = {
    "object": "response",
    "error": None,
    "incomplete_details": None,
    "completed_at": None,
    "usage": None,
}
_NULL = b"null"


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(ENCODE(value))


def is_null(value: msgspec.Raw | None) -> bool:
    return value is None or bytes(value) == _NULL


class ResponseObject:
    """What stays the same from response.created to the end. Settings are encoded once: tools can be large."""

    def __init__(self, head: Head) -> None:
        body = head.request.body
        self.id = item_id("resp_", head.seed, 0)
        self.created_at: float = head.created
        self.head = head
        self._sent = frozenset(name for name in _SETTINGS if body.get(name) is not None)
        self._settings = {name: raw(_setting(name, body.get(name))) for name in _SETTINGS}

    def members(self, status: str, output: list[Any], **state: Any) -> dict[str, Any]:
        """The object in `status`; `state`: usage, error, incomplete_details, completed_at, segue."""
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "completed_at": state.pop("completed_at", None),
            "error": state.pop("error", None),
            "incomplete_details": state.pop("incomplete_details", None),
            "model": self.head.request.model,
            "output": output,
            "usage": state.pop("usage", None),
            **self._settings,
            **state,
        }

    def adopted(self, theirs: Members, *, keep_created: bool) -> Members:
        """A provider's object with our id, model and settings, and the keys it left out. `keep_created`: its
        created_at becomes ours, otherwise ours replaces it."""
        if keep_created and "created_at" in theirs:
            created = msgspec.json.decode(theirs["created_at"])
            if isinstance(created, (int, float)) and not isinstance(created, bool):
                self.created_at = created
        out = {**theirs, "id": raw(self.id)}
        if "created_at" not in theirs or bytes(theirs["created_at"]) != ENCODE(self.created_at):
            out["created_at"] = raw(self.created_at)
        out["model"] = raw(self.head.request.model)
        for name, silent in _STATE.items():
            if name not in out:
                out[name] = raw(silent)
        for name, value in self._settings.items():
            wanted = name in self._sent and name not in _DECIDED
            missing = name not in out or (is_null(out[name]) and not is_null(value))
            if wanted or missing or name in _OURS:
                out[name] = value
        return out


def _setting(name: str, value: Any) -> Any:
    """One setting as echoed: the client's own value, completed where clients expect more than it sent."""
    silent = _SETTINGS[name]
    if name in _OURS:
        return _OURS[name]
    if value is None or (name == "service_tier" and value == "auto"):
        return silent
    if name in ("text", "reasoning") and isinstance(value, dict):
        return {**silent, **{member: given for member, given in value.items() if given is not None}}
    if name == "tools" and isinstance(value, list):
        return [_tool(tool) for tool in value]
    return value


def _tool(tool: Any) -> Any:
    return {**_FUNCTION, **tool} if isinstance(tool, dict) and tool.get("type") == "function" else tool


def usage_member(usage: Usage) -> dict[str, Any]:
    """Usage with all its parts; a figure nobody reported is 0, and no part exceeds its whole."""
    prompt, answer = usage.input_tokens or 0, usage.output_tokens or 0
    cached = min(usage.cache_read_tokens or 0, prompt)
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": min(usage.cache_write_tokens or 0, prompt - cached),
        },
        "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": min(usage.reasoning_tokens or 0, answer)},
        "total_tokens": prompt + answer,
    }


def usage_completed(theirs: msgspec.Raw | None, usage: Usage) -> msgspec.Raw:
    """A provider's usage with the members it left out; untouched if it is whole."""
    ours = usage_member(usage)
    if is_null(theirs):
        return raw(ours)
    given = msgspec.json.decode(theirs)  # type: ignore[arg-type]
    if not isinstance(given, dict):
        return raw(ours)
    completed = {**ours, **{name: value for name, value in given.items() if value is not None}}
    for name in ("input_tokens_details", "output_tokens_details"):
        details = given.get(name)
        reported = details.items() if isinstance(details, dict) else ()
        completed[name] = {**ours[name], **{part: count for part, count in reported if count is not None}}
    same = completed == given and list(completed) == list(ours)
    return theirs if same and theirs is not None else raw(completed)
