"""What to try by hand: complete programs and commands, with the address and the key of this run filled in."""

from typing import NamedTuple

_OPENAI_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="{base}", api_key="{key}")
for event in client.responses.create(model="demo-fallback", input="Who answers?", stream=True):
    if event.type == "segue:fallback_start":
        print(f"[{{event.from_model}} failed: {{event.reason}}. {{event.to_model}} takes over]")
    elif event.type == "response.output_text.delta":
        print(event.delta, end="", flush=True)
    elif event.type == "response.completed":
        print("\\nserved by", event.response.segue["served_by"])
"""

_OPENAI_NODE = """\
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{base}", apiKey: "{key}" }});
const stream = await client.responses.create({{ model: "demo-fallback", input: "Who answers?", stream: true }});
for await (const event of stream) {{
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
  if (event.type === "response.completed") console.log("\\nserved by", event.response.segue.served_by);
}}
"""

_ANTHROPIC_PYTHON = """\
from anthropic import Anthropic

client = Anthropic(base_url="{origin}", api_key="{key}")
messages = [{{"role": "user", "content": "Who answers?"}}]
with client.messages.stream(model="demo-fallback", max_tokens=500, messages=messages) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
"""

_CURL = """\
curl -N {base}/responses -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\
  -H 'segue-fallback-events: events' -d '{{"model": "demo-fallback", "input": "Who answers?", "stream": true}}'
"""

_METRICS = """\
curl -s {metrics} | grep -E '^segue_(requests|attempts|fallbacks)_total'
"""


class Sheet(NamedTuple):
    """Something to try: what it is called and needs, its language, its text."""

    title: str
    language: str
    text: str


def openai_program(base: str, key: str) -> str:
    """`base`: the address up to and with /v1. The walk-through runs this one itself where the SDK is installed."""
    return _OPENAI_PYTHON.format(base=base, key=key)


def sheets(base: str, key: str, metrics: str) -> list[Sheet]:
    origin = base.removesuffix("/v1")
    written = [
        ("curl", "bash", _CURL),
        ("openai for Python  (pip install openai)", "python", _OPENAI_PYTHON),
        ("openai for Node  (npm install openai; save as demo.mjs)", "javascript", _OPENAI_NODE),
        ("anthropic for Python  (pip install anthropic)", "python", _ANTHROPIC_PYTHON),
        ("metrics", "bash", _METRICS),
    ]
    return [
        Sheet(title, language, text.format(base=base, origin=origin, key=key, metrics=metrics))
        for title, language, text in written
    ]
