"""A text completion request as a conversation of one user turn.

Source: openai-python 3.52 `types/completion_create_params.py`. What only a true completion model can do is refused by
name: nobody behind this proxy is asked to complete a text any more.
"""

from typing import Any

from proxy.canonical.request import Request, Text, Turn
from proxy.errors import InvalidRequest, UnsupportedParameter
from proxy.wire.fields import Fields

NAME = "completions"
_UNSUPPORTED = {"echo": (False,), "suffix": ("",), "logprobs": (0,), "best_of": (1,), "n": (1,)}
_NUMBERS = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
}
_STRUCTURAL = frozenset({"model", "prompt", "stream", "stream_options", "max_tokens"})


def read_request(body: dict[str, Any]) -> Request:
    """Raises InvalidRequest or UnsupportedParameter naming the field."""
    fields = Fields(body)
    model = fields.text("model", required=True)
    for name, neutral in _UNSUPPORTED.items():
        if fields.has(name) and fields.raw(name) not in neutral:
            raise UnsupportedParameter(f"'{name}' is not supported for text completions here.", param=name)
    options = fields.object("stream_options")
    parameters = _parameters(fields)
    known = _STRUCTURAL | _UNSUPPORTED.keys() | parameters.keys()
    return Request(
        vocabulary=NAME,
        model=model,
        body=body,
        turns=(Turn("user", (Text(_prompt(fields)),)),),
        parameters=parameters,
        unknown=tuple(name for name, value in body.items() if value is not None and name not in known),
        stream=fields.boolean("stream", False),
        stream_usage=bool(options is not None and options.boolean("include_usage", False)),
    )


def _prompt(fields: Fields) -> str:
    prompt = fields.raw("prompt")
    if isinstance(prompt, str):
        return prompt
    if prompt is None:
        raise fields.missing("prompt")
    texts = fields.items("prompt")
    if len(texts) == 1 and isinstance(texts[0], str):
        return texts[0]
    what = "Several prompts" if texts and all(isinstance(text, str) for text in texts) else "Token arrays"
    raise UnsupportedParameter(f"{what} in 'prompt' are not supported: send one string.", param="prompt")


def _parameters(fields: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {"max_output_tokens": fields.integer("max_tokens", minimum=1)}
    found |= {name: fields.number(name, minimum=low, maximum=high) for name, (low, high) in _NUMBERS.items()}
    found |= {"seed": fields.integer("seed"), "user": fields.text("user"), "logit_bias": fields.mapping("logit_bias")}
    stop = fields.raw("stop")
    found["stop"] = [stop] if isinstance(stop, str) else fields.items("stop") or None
    if found["stop"] and not all(isinstance(sequence, str) for sequence in found["stop"]):
        raise InvalidRequest("Invalid value for 'stop': expected a string or an array of strings.", param="stop")
    return {name: value for name, value in found.items() if value is not None}
