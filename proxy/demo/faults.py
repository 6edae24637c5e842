"""Refusals: the neutral names of the errors an upstream may answer with instead of an answer."""

import re
from dataclasses import dataclass

from proxy.demo.waits import WAYS, Wait

NAMES = {
    "400": "a parameter the upstream does not know",
    "401": "wrong key",
    "402": "payment required (status 402)",
    "403": "the key may not use the model",
    "404-model": "no such model",
    "413": "the body is too large",
    "422": "unprocessable",
    "429": "rate limited",
    "500": "internal error",
    "503": "overloaded or down",
    "504": "gateway timeout",
    "529": "overloaded, the Anthropic way",
    "billing": "no money left: OpenAI 429 insufficient_quota, Anthropic 400 credit balance",
    "context-overflow": "the prompt exceeds the model's window",
    "content-filter": "refused by a content policy (status 400)",
    "no-prefill": "the conversation ends with the assistant (status 400), which Claude refuses since 4.6",
    "prefill-space": "what the assistant has begun ends in white space (status 400)",
}
_REFUSAL = re.compile(rf"(?P<name>.+?)(-(?P<way>{'|'.join(WAYS)})-(?P<amount>\d+))?")
_STATUS = re.compile(r"[45]\d\d")


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal by name; any other 4xx or 5xx number is its own name."""

    name: str
    model: str = ""
    wait: Wait | None = None


def parse_fault(text: str) -> Fault | None:
    match = _REFUSAL.fullmatch(text)
    if match is None or (match["name"] not in NAMES and not _STATUS.fullmatch(match["name"])):
        return None
    return Fault(match["name"], wait=Wait(match["way"], int(match["amount"])) if match["way"] else None)


def table() -> dict[str, str]:
    """Every refusal with its meaning, for documentation."""
    waiting = {f"<status>-{name}-<{way.unit}>": f"a refusal with {way.meaning}" for name, way in WAYS.items()}
    return NAMES | waiting
