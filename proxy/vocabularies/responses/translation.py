"""Requests of other vocabularies as Responses bodies. Source: openai-python 3.52, `types/responses/*_param.py`."""

from collections.abc import Sequence
from typing import Any

from proxy.canonical.account import Warning
from proxy.canonical.origin import Seal
from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    OpaquePart,
    OpaqueTool,
    OutputFormat,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from proxy.vocabularies.responses.channels import ENCRYPTED
from proxy.vocabularies.responses.parameters import COLUMN
from proxy.wire.codec import Objection, Peer
from proxy.wire.effort import wanted
from proxy.wire.parameters import apply
from proxy.wire.quirks import Quirks

_ENCRYPTED_CONTENT = "reasoning.encrypted_content"
_NO_PARAMETERS = {"type": "object", "properties": {}}


def untranslatable(request: Request) -> list[Objection]:
    """The parts, tools and choices this wire has no form for."""
    found = []
    for index, tool in enumerate(request.tools):
        if isinstance(tool, OpaqueTool) and not tool.droppable:
            found.append(Objection(f"tools[{index}].type", f"a tool of type '{tool.type}' cannot be translated"))
    for part in request.parts():
        if isinstance(part, OpaquePart) and not part.droppable:
            found.append(Objection("input", f"content of type '{part.type}' cannot be translated"))
        elif isinstance(part, Audio):
            found.append(Objection("input", "audio input cannot be translated"))
        elif isinstance(part, (Image, Document)) and part.file_id is not None:
            found.append(Objection("input", "a file kept by another provider cannot be read"))
    choice = request.tool_choice
    if choice is not None and choice.mode == "opaque":
        found.append(Objection("tool_choice", f"a tool choice of type '{choice.type}' cannot be translated"))
    return found


def translate(request: Request, peer: Peer) -> tuple[dict[str, Any], list[Warning]]:
    """The body without `model`, and what it had to leave out."""
    writer = _Writer(peer.seal)
    body: dict[str, Any] = {"input": [], "stream": request.stream}
    turns = request.turns
    leading = next((index for index, turn in enumerate(turns) if turn.role != "system"), len(turns))
    if instructions := [part.text for turn in turns[:leading] for part in turn.parts if isinstance(part, Text)]:
        body["instructions"] = "\n\n".join(instructions)
    for turn in turns[:leading]:
        writer.note_caches(turn.parts)
    for turn in turns[leading:]:
        body["input"] += writer.items(turn)
    if tools := writer.tools(request.tools):
        body["tools"] = tools
        if request.tool_choice is not None:
            body["tool_choice"] = _choice(request.tool_choice, request.tools)
    warnings = writer.warnings
    warnings += apply(request.parameters, COLUMN, peer.quirks.drop_parameters, body)
    if request.output is not None:
        body["text"] = {**body.get("text", {}), "format": _format(request.output)}
    if request.reasoning is not None and (reasoning := _reasoning(request.reasoning, peer.quirks, warnings)):
        body["reasoning"] = reasoning
    thinks = request.reasoning is not None and not request.reasoning.disabled
    if thinks or writer.has_reasoning:
        body["include"] = [*body.get("include", []), _ENCRYPTED_CONTENT]
    warnings += [Warning(name, "dropped") for name in request.unknown]
    return body, warnings


class _Writer:
    """Turns into input items; remembers what had to be left out, each thing once."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self.warnings: list[Warning] = []
        self.has_reasoning = False

    def _warn(self, param: str, action: str = "dropped") -> None:
        warning = Warning(param, action)
        if warning not in self.warnings:
            self.warnings.append(warning)

    def note_caches(self, parts: Sequence[Any]) -> None:
        if any(getattr(part, "cache", None) is not None for part in parts):
            self._warn("cache_control")

    def items(self, turn: Turn) -> list[dict[str, Any]]:
        """Texts and images in a row share a message; everything else is an item of its own."""
        if turn.name is not None:
            self._warn("name")
        self.note_caches(turn.parts)
        role = "developer" if turn.role == "system" else turn.role
        items: list[dict[str, Any]] = []
        for part in turn.parts:
            if isinstance(part, (Text, Refusal, Image, Document)):
                content = self._content(part, role)
                if items and items[-1].get("type") == "message":
                    items[-1]["content"].append(content)
                else:
                    role_here = "user" if role == "tool" else role
                    items.append({"type": "message", "role": role_here, "content": [content]})
            elif (item := self._item(part)) is not None:
                items.append(item)
        return items

    def _item(self, part: Part) -> dict[str, Any] | None:
        match part:
            case ToolCall(custom=True):
                return {"type": "custom_tool_call", "call_id": part.id, "name": part.name, "input": part.arguments}
            case ToolCall():
                return {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": part.arguments}
            case ToolResult():
                return self._result(part)
            case Thinking():
                return self._thoughts(part)
            case OpaquePart():
                self._warn(part.type)
        return None

    def _result(self, result: ToolResult) -> dict[str, Any]:
        self.note_caches(result.parts)
        kind = "custom_tool_call_output" if result.custom else "function_call_output"
        if result.failed:
            self._warn("is_error")
        shown = [part for part in result.parts if isinstance(part, (Text, Refusal, Image, Document))]
        if len(shown) < len(result.parts):
            self._warn("tool_result.content")
        output: Any = [self._content(part, "user") for part in shown]
        if all(isinstance(part, Text) for part in shown):
            output = "\n".join(content["text"] for content in output)
        return {"type": kind, "call_id": result.call_id, "output": output}

    def _thoughts(self, thinking: Thinking) -> dict[str, Any] | None:
        """The reasoning item whose material this target issued; anything else it could not read."""
        material = self._seal.open(thinking.material) if thinking.material else None
        if material is None or material.form != ENCRYPTED:
            self._warn("thinking")
            return None
        self.has_reasoning = True
        summary = [{"type": "summary_text", "text": thinking.text}] if thinking.text else []
        return {"type": "reasoning", "summary": summary, "encrypted_content": material.payload}

    def _content(self, part: Text | Refusal | Image | Document, role: str) -> dict[str, Any]:
        match part:
            case Refusal():
                return {"type": "refusal", "refusal": part.text}
            case Image():
                url = part.url or f"data:{part.media_type};base64,{part.content}"
                return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
            case Document():
                return self._document(part)
            case Text():
                return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}

    def _document(self, document: Document) -> dict[str, Any]:
        if document.text is not None:
            self._warn("document", "changed")
            title = f"{document.name}\n\n" if document.name else ""
            return {"type": "input_text", "text": title + document.text}
        if document.url is not None:
            return {"type": "input_file", "file_url": document.url}
        url = f"data:{document.media_type};base64,{document.content}"
        return {"type": "input_file", "filename": document.name or "document", "file_data": url}

    def tools(self, tools: Sequence[Tool | OpaqueTool]) -> list[dict[str, Any]]:
        written = []
        self.note_caches(tools)
        for index, tool in enumerate(tools):
            if isinstance(tool, OpaqueTool):
                self._warn(f"tools[{index}]")
            else:
                written.append(_tool(tool))
        return written


def _tool(tool: Tool) -> dict[str, Any]:
    kind = "custom" if tool.custom else "function"
    written: dict[str, Any] = {"type": kind, "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if not tool.custom:
        # Strict is the default here, unlike in Chat Completions (OpenAI's guide on migrating to the Responses API): a
        # schema not written for it would be refused.
        return {**written, "parameters": tool.parameters or _NO_PARAMETERS, "strict": bool(tool.strict)}
    if tool.format is not None:
        nested = tool.format.get("grammar")
        written["format"] = {"type": "grammar", **nested} if isinstance(nested, dict) else tool.format
    return written


def _choice(choice: ToolChoice, tools: Sequence[Tool | OpaqueTool]) -> Any:
    custom = {tool.name for tool in tools if isinstance(tool, Tool) and tool.custom}

    def named(name: str | None) -> dict[str, Any]:
        return {"type": "custom" if name in custom else "function", "name": name}

    if choice.mode == "tool":
        return named(choice.name)
    if choice.mode == "allowed":
        mode = "required" if choice.required else "auto"
        return {"type": "allowed_tools", "mode": mode, "tools": [named(name) for name in choice.names]}
    return choice.mode


def _format(output: OutputFormat) -> dict[str, Any]:
    if output.kind == "json_object":
        return {"type": "json_object"}
    form: dict[str, Any] = {"type": "json_schema", "name": output.name, "schema": output.schema or {}}
    if output.strict is not None:
        form["strict"] = output.strict
    if output.description is not None:
        form["description"] = output.description
    return form


def _reasoning(reasoning: Reasoning, quirks: Quirks, warnings: list[Warning]) -> dict[str, Any]:
    word = wanted(reasoning, quirks.efforts)
    written: dict[str, Any] = {} if word is None else {"effort": word}
    if reasoning.budget is not None and reasoning.effort is None and word is not None and not reasoning.disabled:
        warnings.append(Warning("thinking.budget_tokens", "changed"))
    elif word != ("none" if reasoning.disabled else reasoning.effort):
        warnings.append(Warning("reasoning", "changed"))
    if reasoning.disabled:
        return written
    if reasoning.summary is not None:
        written["summary"] = reasoning.summary
    elif reasoning.budget is not None or reasoning.adaptive:
        written["summary"] = "auto"  # who asks for thinking by budget expects to see some
    return written
