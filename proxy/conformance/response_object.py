"""The Responses vocabulary as tables: what each event, item, part and the Response object must hold.

Sources: the event union and models of openai-python 3.52 (`types/responses/`), and client-expectations.md ("Strict
types", "Open Responses suite", "Vercel AI SDK") where the clients measured there ask for more than those models.
"""

import re
from typing import Any

from proxy.conformance.notices import SEGUE_MEMBER
from proxy.conformance.report import Findings
from proxy.conformance.shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    LIST,
    NAME,
    NUMBER,
    OBJECT,
    TEXT,
    Shape,
    list_of,
    nullable,
    one_of,
    optional,
    record,
)

RULES = {
    "responses.object": "send every key of the Response object, null only where clients accept null",
    "responses.status": "let the object's status say what its event says",
    "responses.error": "put {code, message} into response.error of a failed response, and null into any other",
    "responses.error-code": "use only server_error or rate_limit_exceeded; the finer code belongs in `segue`",
    "responses.incomplete-reason": "name max_output_tokens or content_filter in an incomplete response, else null",
    "responses.usage": "report usage with both details; the total is input plus output and the parts fit inside",
    "responses.item-fields": "send every field of the item that typed clients read",
    "responses.id-alphabet": "use our own ids: resp_, msg_, rs_, fc_, ctc_, and call_ with 24 letters or digits",
    "responses.segue-member": "add the member `segue` {served_by, attempts, quota, warnings} to the finished object",
}

_ITEM: Shape = {"item_id": NAME, "output_index": COUNT}
_PART: Shape = {**_ITEM, "content_index": COUNT}
_SUMMARY: Shape = {**_ITEM, "summary_index": COUNT}
_COMMAND: Shape = {"output_index": COUNT, "command_index": COUNT}
_LIFECYCLE = ("created", "queued", "in_progress", "completed", "failed", "incomplete")
_HOSTED = {
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "compaction": ("compacting",),
    "file_search_call": ("in_progress", "searching", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
    "mcp_call": ("in_progress", "completed", "failed"),
    "mcp_list_tools": ("in_progress", "completed", "failed"),
    "web_search_call": ("in_progress", "searching", "completed"),
}

EVENTS: dict[str, Shape] = {
    **{f"response.{name}": {"response": OBJECT} for name in _LIFECYCLE},
    "response.output_item.added": {"output_index": COUNT, "item": OBJECT},
    "response.output_item.done": {"output_index": COUNT, "item": OBJECT},
    "response.content_part.added": {**_PART, "part": OBJECT},
    "response.content_part.done": {**_PART, "part": OBJECT},
    "response.output_text.delta": {**_PART, "delta": TEXT, "logprobs": LIST},
    "response.output_text.done": {**_PART, "text": TEXT, "logprobs": LIST},
    "response.output_text.annotation.added": {**_PART, "annotation_index": COUNT, "annotation": OBJECT},
    "response.refusal.delta": {**_PART, "delta": TEXT},
    "response.refusal.done": {**_PART, "refusal": TEXT},
    "response.reasoning_text.delta": {**_PART, "delta": TEXT},
    "response.reasoning_text.done": {**_PART, "text": TEXT},
    "response.reasoning_summary_part.added": {**_SUMMARY, "part": OBJECT},
    "response.reasoning_summary_part.done": {**_SUMMARY, "part": OBJECT},
    "response.reasoning_summary_text.delta": {**_SUMMARY, "delta": TEXT},
    "response.reasoning_summary_text.done": {**_SUMMARY, "text": TEXT},
    "response.function_call_arguments.delta": {**_ITEM, "delta": TEXT},
    "response.function_call_arguments.done": {**_ITEM, "arguments": TEXT, "name": NAME},
    "response.custom_tool_call_input.delta": {**_ITEM, "delta": TEXT},
    "response.custom_tool_call_input.done": {**_ITEM, "input": TEXT},
    **{f"response.{family}.{step}": _ITEM for family, steps in _HOSTED.items() for step in steps},
    "response.code_interpreter_call_code.delta": {**_ITEM, "delta": TEXT},
    "response.code_interpreter_call_code.done": {**_ITEM, "code": TEXT},
    "response.image_generation_call.partial_image": {**_ITEM, "partial_image_b64": TEXT, "partial_image_index": COUNT},
    "response.mcp_call_arguments.delta": {**_ITEM, "delta": TEXT},
    "response.mcp_call_arguments.done": {**_ITEM, "arguments": TEXT},
    "response.shell_call_command.added": {**_COMMAND, "command": TEXT},
    "response.shell_call_command.delta": {**_COMMAND, "delta": TEXT},
    "response.shell_call_command.done": {**_COMMAND, "command": TEXT},
    "response.shell_call_output_content.delta": {**_ITEM, "command_index": COUNT, "delta": OBJECT},
    "response.shell_call_output_content.done": {**_ITEM, "command_index": COUNT, "output": LIST},
    "response.audio.delta": {"delta": TEXT},
    "response.audio.done": {},
    "response.audio.transcript.delta": {"delta": TEXT},
    "response.audio.transcript.done": {},
}

_STATUS = one_of("in_progress", "completed", "incomplete")
ITEMS: dict[str, Shape] = {
    "message": {"id": NAME, "role": one_of("assistant"), "status": _STATUS, "content": list_of({"type": NAME})},
    "function_call": {"id": NAME, "call_id": NAME, "name": NAME, "arguments": TEXT, "status": _STATUS},
    "custom_tool_call": {"id": NAME, "call_id": NAME, "name": NAME, "input": TEXT},
    "reasoning": {
        "id": NAME,
        "summary": list_of({"type": one_of("summary_text"), "text": TEXT}),
        "content": optional(nullable(list_of({"type": one_of("reasoning_text"), "text": TEXT}))),
        "encrypted_content": optional(nullable(TEXT)),
        "status": optional(nullable(_STATUS)),
    },
}
PARTS: dict[str, Shape] = {
    "output_text": {"text": TEXT, "annotations": LIST, "logprobs": optional(LIST)},
    "refusal": {"refusal": TEXT},
    "reasoning_text": {"text": TEXT},
    "summary_text": {"text": TEXT},
}

_USAGE: Shape = {
    "input_tokens": COUNT,
    "input_tokens_details": record({"cached_tokens": COUNT, "cache_write_tokens": COUNT}),
    "output_tokens": COUNT,
    "output_tokens_details": record({"reasoning_tokens": COUNT}),
    "total_tokens": COUNT,
}
_RESPONSE: Shape = {
    "id": NAME,
    "object": one_of("response"),
    "created_at": NUMBER,
    "completed_at": nullable(NUMBER),
    "status": NAME,
    "model": NAME,
    "output": LIST,
    "error": nullable(OBJECT),
    "incomplete_details": nullable(OBJECT),
    "usage": nullable(OBJECT),
    "previous_response_id": nullable(NAME),
    "instructions": nullable(ANYTHING),
    "reasoning": nullable(OBJECT),
    "max_output_tokens": nullable(COUNT),
    "max_tool_calls": nullable(COUNT),
    "safety_identifier": nullable(TEXT),
    "prompt_cache_key": nullable(TEXT),
    "tools": LIST,
    "tool_choice": one_of("none", "auto", "required"),
    "truncation": one_of("auto", "disabled"),
    "parallel_tool_calls": FLAG,
    "text": record({"format": record({"type": NAME})}),
    "top_p": NUMBER,
    "temperature": NUMBER,
    "presence_penalty": NUMBER,
    "frequency_penalty": NUMBER,
    "top_logprobs": COUNT,
    "store": FLAG,
    "background": FLAG,
    "service_tier": NAME,
    "metadata": OBJECT,
}
# What Open Responses asks for and the models of openai-python do not know: no provider owes it.
_OWED_BY_US = ("presence_penalty", "frequency_penalty", "store")
_PROVIDERS_RESPONSE = _RESPONSE | {name: optional(_RESPONSE[name]) for name in _OWED_BY_US}
_TOOL_CHOICE: Shape = {"tool_choice": record({"type": NAME})}
_FUNCTION_TOOL: Shape = {"name": NAME, "parameters": nullable(OBJECT), "strict": nullable(FLAG)}

_FINISHED = ("completed", "failed", "incomplete")
_ID_PREFIX = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_"}
_CALL_ID = re.compile(r"call_[A-Za-z0-9]{24}")


def check_response(findings: Findings, response: dict[str, Any], *statuses: str) -> None:
    """One Response object whose status must be among `statuses`, streamed or not."""
    status = response.get("status")
    chosen_tool = isinstance(response.get("tool_choice"), dict)
    shape = _RESPONSE if findings.ours else _PROVIDERS_RESPONSE
    findings.check("responses.object", response, shape | _TOOL_CHOICE if chosen_tool else shape, "response.")
    findings.require(status in statuses, "responses.status", f"status is {status!r}, expected {' or '.join(statuses)}")
    for index, tool in enumerate(objects(response.get("tools"))):
        if tool.get("type") == "function":
            findings.check("responses.object", tool, _FUNCTION_TOOL, f"response.tools[{index}].")
    _check_outcome(findings, response, status)
    if findings.ours:
        has_prefix = str(response.get("id")).startswith("resp_")
        findings.require(has_prefix, "responses.id-alphabet", f"response.id is {response.get('id')!r}")
        if status in _FINISHED:
            findings.check("responses.segue-member", response, {"segue": record(SEGUE_MEMBER)}, "response.")


def _check_outcome(findings: Findings, response: dict[str, Any], status: object) -> None:
    error, details, usage = (response.get(name) for name in ("error", "incomplete_details", "usage"))
    if status == "failed":
        findings.check("responses.error", error, {"code": NAME, "message": NAME}, "response.error.")
        if isinstance(error, dict):
            findings.scrubbed(error.get("message"))
            code = error.get("code")
            allowed = not findings.ours or code in ("server_error", "rate_limit_exceeded")
            findings.require(allowed, "responses.error-code", f"response.error.code is {code!r}")
    else:
        findings.require(error is None, "responses.error", f"response.error is set while the status is {status!r}")
    reason = details.get("reason") if isinstance(details, dict) else details
    expected = ("max_output_tokens", "content_filter") if status == "incomplete" else (None,)
    fits = reason in expected
    findings.require(fits, "responses.incomplete-reason", f"incomplete_details.reason is {reason!r} when {status}")
    if usage is None:
        missing = status in ("completed", "incomplete")
        findings.require(not missing, "responses.usage", "response.usage is null at the end")
    elif not findings.check("responses.usage", usage, _USAGE, "response.usage."):
        findings.require(_adds_up(usage), "responses.usage", f"the numbers do not add up: {usage}")


def _adds_up(usage: dict[str, Any]) -> bool:
    cached = usage["input_tokens_details"]
    return bool(
        usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        and cached["cached_tokens"] + cached["cache_write_tokens"] <= usage["input_tokens"]
        and usage["output_tokens_details"]["reasoning_tokens"] <= usage["output_tokens"]
    )


def check_item(findings: Findings, item: dict[str, Any]) -> None:
    """One output item: its fields, those of its parts, and its ids."""
    kind = item.get("type")
    shape = ITEMS.get(str(kind), {"type": NAME, "id": NAME})
    if findings.check("responses.item-fields", item, shape, "item."):
        return
    for part in objects(item.get("content")) if kind == "message" else ():
        check_part(findings, part)
    if findings.ours and kind in _ID_PREFIX:
        fits = item["id"].startswith(_ID_PREFIX[kind])
        findings.require(fits, "responses.id-alphabet", f"the id of the {kind} is {item['id']!r}")
        if "call_id" in item:
            fits = _CALL_ID.fullmatch(item["call_id"]) is not None
            findings.require(fits, "responses.id-alphabet", f"call_id is {item['call_id']!r}")


def check_part(findings: Findings, part: dict[str, Any]) -> None:
    """One content or summary part; part types this table does not know pass."""
    findings.check("responses.item-fields", part, PARTS.get(str(part.get("type")), {"type": NAME}), "part.")


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of what should be a list of them."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
