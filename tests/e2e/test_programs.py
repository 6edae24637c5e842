"""Requests as Codex and Claude Code send them, to upstreams of every vocabulary: nothing of theirs may be refused."""

from typing import Any

from proxy.conformance.lint import lint
from tests.e2e.harness import OpenStage
from tests.e2e.plays import SCHEMA, chain

# Codex 0.169: measured. It needs output_item.done for each item, and response.completed with an id.
CODEX_HEADERS = {"user-agent": "codex_cli_rs/0.169.0", "originator": "codex_cli_rs", "accept": "text/event-stream"}
CODEX: dict[str, Any] = {
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be careful."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi there"}]},
    ],
    "tools": [
        {"type": "function", "name": "exec_command", "strict": False, "parameters": SCHEMA},
        {"type": "function", "name": "view_image", "strict": False, "parameters": SCHEMA},
        {"type": "namespace", "name": "multi_agent_v1", "description": "Other agents.", "tools": []},
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "00000000-0000-0000-0000-000000000001",
    "client_metadata": {"session": "1"},
}

# Claude Code 2.1: measured.
CLAUDE_CODE_HEADERS = {
    "user-agent": "claude-cli/2.1.329 (external, cli)",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
}
CLAUDE_CODE: dict[str, Any] = {
    "max_tokens": 32000,
    "system": [
        {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Be careful."},
    ],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "A reminder."},
                {"type": "text", "text": "Hi there", "cache_control": {"type": "ephemeral"}},
            ],
        }
    ],
    "tools": [{"name": "Bash", "description": "Runs a command.", "input_schema": SCHEMA}],
    "metadata": {"user_id": "user_1"},
    "thinking": {"type": "adaptive"},
    "stream": True,
}


def test_codex(open_stage: OpenStage, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    answer = stage.raw("POST", "/v1/responses", CODEX | {"model": stage.model}, CODEX_HEADERS)
    assert answer.status == 200
    done = [each["item"] for each in answer.payloads if each["type"] == "response.output_item.done"]
    assert [item["name"] for item in done] == ["exec_command", "view_image"]
    completed = answer.payloads[-1]
    assert (completed["type"], completed["response"]["output"]) == ("response.completed", done)
    assert completed["response"]["id"].startswith("resp_")
    dropped = {warning["param"] for warning in completed["response"]["segue"]["warnings"]}
    assert bool(dropped) is (upstream != "responses")
    results = [{"type": "function_call_output", "call_id": item["call_id"], "output": "done"} for item in done]
    second = CODEX | {"model": stage.model, "input": [*CODEX["input"], *done, *results]}
    told = lint(stage.raw("POST", "/v1/responses", second, CODEX_HEADERS).content, "responses")
    assert (told.text, told.terminal) == ("The tools said: done; done", "response.completed")


def test_claude_code(open_stage: OpenStage, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    body = CLAUDE_CODE | {"model": stage.model}
    answer = stage.raw("POST", "/v1/messages?beta=true", body, CLAUDE_CODE_HEADERS)
    assert answer.status == 200
    told = lint(answer.content, "messages")
    assert [call.name for call in told.tool_calls] == ["Bash", "Bash"]
    assert told.terminal == "message_stop"
    calls = [{"type": "tool_use", "id": call.id, "name": call.name, "input": {"city": "x"}} for call in told.tool_calls]
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "done"}]}
        for call in told.tool_calls
    ]
    body["messages"] = [
        *CLAUDE_CODE["messages"],
        {"role": "assistant", "content": calls},
        {"role": "user", "content": results},
    ]
    second = stage.raw("POST", "/v1/messages?beta=true", body, CLAUDE_CODE_HEADERS)
    assert lint(second.content, "messages").text == "The tools said: done; done"
