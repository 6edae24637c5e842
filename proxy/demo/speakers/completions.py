"""Speaks OpenAI's legacy Completions: text only. Shapes: openai-python 3.x, `openai.types.completion`."""

from itertools import chain, zip_longest

from proxy.demo.content import Answer, Question, Text
from proxy.demo.frames import Frame, Json, Role
from proxy.demo.identity import Identity
from proxy.demo.speakers.chat import Chat, chat_usage, with_usage

_FINISH_REASONS = {"length": "length", "filtered": "content_filter"}


class Completions(Chat):
    """As Chat in its errors, headers and usage; another question and other chunks."""

    def read(self, body: Json) -> Question:
        given = body.get("prompt", "")
        prompt = given[0] if isinstance(given, list) and given and isinstance(given[0], str) else str(given)
        return Question(
            model=str(body.get("model", "")),
            prompt=prompt,
            said=prompt,
            max_tokens=body.get("max_tokens"),
            is_streamed=bool(body.get("stream")),
            wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            choices=body.get("n") or 1,
        )

    def stream(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> list[Frame]:
        opening = _opening(question, identity)
        choices = [
            [
                *(_chunk(opening, index, delta, Role.CONTENT) for delta in _deltas(answer)),
                _chunk(opening, index, "", Role.FINISH, _FINISH_REASONS.get(answer.stop, "stop")),
            ]
            for index, answer in enumerate(answers)
        ]
        frames = [frame for frame in chain(*zip_longest(*choices)) if frame is not None]
        return with_usage(frames, opening, answers, question.wants_usage)

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame:
        choices = [
            _choice(index, "".join(_deltas(answer)), _FINISH_REASONS.get(answer.stop, "stop"))
            for index, answer in enumerate(answers)
        ]
        completion = {**_opening(question, identity), "choices": choices, "usage": chat_usage(answers)}
        return Frame(completion, Role.FINISH, usage=(completion, "usage"))


def _opening(question: Question, identity: Identity) -> Json:
    opened = {"object": "text_completion", "created": identity.created, "model": question.model}
    return {"id": identity.letters("cmpl-", 29), **opened}


def _choice(index: int, text: str, finish_reason: str | None) -> Json:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


def _chunk(opening: Json, index: int, text: str, role: Role, finish_reason: str | None = None) -> Frame:
    return Frame({**opening, "choices": [_choice(index, text, finish_reason)]}, role)


def _deltas(answer: Answer) -> list[str]:
    return [delta for part in answer.parts if isinstance(part, Text) for delta in part.deltas]
