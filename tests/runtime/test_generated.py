"""What `./dev docs` writes is fresh, and what is shipped in config/ is right, for us and for editors."""

import jsonschema
import pytest
import yaml

from proxy.runtime.advice import advice
from tests.runtime.sample import RIGHT, configured
from tools.generate import ROOT, rendered, schema

# What the head of config/segue.yaml says it needs.
ENVIRONMENT = {
    "SEGUE_SECRET": "a secret for tests only",
    "OPENAI_API_KEY": "sk-openai",
    "ANTHROPIC_API_KEY": "sk-anthropic",
    "AZURE_OPENAI_API_KEY": "azure",
}


@pytest.mark.parametrize(
    "path", ["config/schema.json", "docs/parameters.md", "docs/configuration.md", "docs/midstream.md"]
)
def test_generated_files_are_fresh(path: str):
    assert (ROOT / path).read_text("utf-8") == rendered()[path], "run ./dev docs"


@pytest.mark.parametrize("name", ["segue.yaml", "minimal.yaml"])
def test_shipped_configurations_are_right(name: str):
    text = (ROOT / "config" / name).read_text("utf-8")
    told = advice(configured(text, ENVIRONMENT), now=1_800_000_000.0)
    assert all("placeholder" in line for line in told), told
    assert [
        variable for variable in ENVIRONMENT if f"${{{variable}}}" in text and f"{variable}" not in text[:900]
    ] == []


@pytest.mark.parametrize(
    "text", [(ROOT / "config" / name).read_text("utf-8") for name in ("segue.yaml", "minimal.yaml")]
)
def test_editors_agree(text: str):
    jsonschema.validate(yaml.load(text, Loader=yaml.BaseLoader) | numbers(text), schema())


def numbers(text: str) -> dict[str, object]:
    """The sections whose values an editor reads as numbers and words."""
    found = yaml.safe_load(text)
    return {name: found[name] for name in ("server", "operations", "defaults", "routes") if name in found}


@pytest.mark.parametrize(
    ("old", "wrong"),
    [
        ("routes:", "rotues:"),
        ("candidates:", "candidats:"),
        ("- openai/gpt-6.1-sol", "- gpt"),
        ("- openai/gpt-6.1-sol", "- {provider: openai}"),
        ("routes:", "server: {port: many}\nroutes:"),
        ("- openai/gpt-6.1-sol", "- {any: [openai/a], wieght: 2}"),
        ("- openai/gpt-6.1-sol", "- {any: [{route: gpt}]}"),
        ("- openai/gpt-6.1-sol", "- {route: gpt, weight: 2}"),
        ("- openai/gpt-6.1-sol", "- {provider: openai, model: a, concurrency: {queue: 2}}"),
        ("tenants:", "    affinity: cookie\ntenants:"),
        ("tenants:", "    hedging: sometimes\ntenants:"),
    ],
)
def test_editors_see_mistakes(old: str, wrong: str):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(RIGHT.replace(old, wrong)), schema())


def test_every_parameter_has_its_row():
    table = rendered()["docs/parameters.md"]
    assert "| parameter | meaning | responses | chat | messages |" in table
    assert table.count("\n| `") == len({line.split("`")[1] for line in table.splitlines() if line.startswith("| `")})
