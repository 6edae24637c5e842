"""What keeps a request from a provider of this vocabulary."""

from proxy.canonical.request import Document, Image, OpaquePart, OpaqueTool, Part, Request, ToolResult
from proxy.vocabularies.chat.parameters import COLUMN
from proxy.wire.codec import Objection, Peer
from proxy.wire.parameters import unmet

_FORCED = ("required", "tool")


def objections(request: Request, peer: Peer) -> list[Objection]:
    found = []
    choice = request.tool_choice
    is_forced = choice is not None and (choice.mode in _FORCED or choice.required)
    if is_forced and peer.quirks.required_tool_choice is None:
        found.append(Objection("tool_choice", "the provider cannot be made to call a tool"))
    if request.continuation is not None and peer.quirks.prefill is None:
        found.append(Objection("messages", "the model is not known to go on with an answer"))
    if request.vocabulary == "chat":
        return found
    found += [Objection(name, f"{name}: {COLUMN[name].note}") for name in unmet(request.parameters, COLUMN)]
    if choice is not None and choice.mode == "opaque":
        found.append(Objection("tool_choice", f"a tool of type {choice.type} cannot be chosen here"))
    for place, tool in enumerate(request.tools):
        if isinstance(tool, OpaqueTool) and not tool.droppable:
            found.append(Objection(f"tools[{place}].type", f"tools of type {tool.type} do not exist here"))
    turns = "messages" if "messages" in request.body else "input"
    for place, turn in enumerate(request.turns):
        for part in turn.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            found += [Objection(f"{turns}[{place}].{kind}", why) for p in inner for kind, why in _impossible(p)]
    return found


def _impossible(part: Part) -> list[tuple[str, str]]:
    match part:
        case OpaquePart(droppable=False):
            return [("type", f"items of type {part.type} do not exist here")]
        case Image(file_id=str()):
            return [("file_id", "files are known to their own provider only")]
        case Document(file_id=str()):
            return [("file_id", "files are known to their own provider only")]
        case Document(url=str(), content=None):
            return [("file_url", "files are not fetched by address here")]
    return []
