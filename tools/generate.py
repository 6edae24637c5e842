"""Writes what is derived from the code: config/schema.json, docs/parameters.md, the field tables of
docs/configuration.md and docs/midstream.md. Run by `./dev docs`; a test fails when one of them is stale."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from proxy.providers.catalog import PROVIDERS
from proxy.providers.models import MODELS
from proxy.runtime import spec, spec_routes, spec_upstreams
from proxy.vocabularies.catalog import UPSTREAM
from proxy.wire.parameters import PARAMETERS, Action, Parameter, Rule

ROOT = Path(__file__).resolve().parents[1]

# What must be in every file; the models have defaults there, so that its absence is told with all other mistakes.
REQUIRED = {"RouteSpec": ["candidates"], "ConcurrencySpec": ["limit"]}
REQUIRED_AT_THE_TOP = ["secret", "providers", "routes"]
# Sections of which one field may stand alone.
SHORT_FORMS = {"ConcurrencySpec": "limit", "HedgingSpec": "after_seconds"}
_REFERENCE = {"type": "string", "pattern": r"\$\{"}
_BEGIN, _END = "<!-- fields: written by ./dev docs -->", "<!-- end of fields -->"
_HEIRS_BEGIN, _HEIRS_END = "<!-- who goes on: written by ./dev docs -->", "<!-- end of who goes on -->"
_PREFILLS = {
    "plain": "a trailing assistant message",
    "prefix": "`prefix: true` in a trailing assistant message",
    "continue_final_message": "`continue_final_message` and a trailing assistant message",
}

_PARAMETERS_TOP = """\
# Parameters

What becomes of a request's settings when they go to an upstream of another vocabulary than the client's. (The same
vocabulary on both sides passes through.) Written by `./dev docs` from `proxy/wire/parameters.py` and the
`parameters.py` of each vocabulary.

- **pass**: sent as it is · **rename**: sent under another name · **map**: sent as described
- **drop**: left out, and said in `segue.warnings` and the header `segue-dropped`, unless the value asks for nothing
- **ineligible**: such a candidate is passed over, unless the value asks for nothing; if none is left, the answer is a
  400 that names the parameter

Single providers and models reject more than their vocabulary does: those settings are dropped with the same warning
(`drop_parameters` in `proxy/providers/`).

"""


def rendered() -> dict[str, str]:
    """Path from the repository's root -> what should be in that file."""
    return {
        "config/schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
        "docs/parameters.md": parameter_table(),
        "docs/configuration.md": _with_tables("docs/configuration.md", _BEGIN, _END, _field_tables()),
        "docs/midstream.md": _with_tables("docs/midstream.md", _HEIRS_BEGIN, _HEIRS_END, _heirs()),
    }


def schema() -> dict[str, Any]:
    """The JSON schema editors check a configuration with."""
    found = spec.Spec.model_json_schema()
    sections = found["$defs"]
    for name, fields in REQUIRED.items():
        sections[name]["required"] = fields
    sections["CandidateSpec"] = {
        "anyOf": [
            {"type": "string", "pattern": "^[^/]+/.+$", "description": "provider/model"},
            sections["CandidateSpec"],
        ]
    }
    for name, field in SHORT_FORMS.items():
        short = {key: value for key, value in sections[name]["properties"][field].items() if key != "default"}
        sections[name] = {"anyOf": [short, sections[name]]}
    sections["StoreSpec"]["properties"]["url"]["default"] = _shown(spec.StoreSpec.model_fields["url"].default)
    sections["StoreSpec"] = {"anyOf": [{"type": "string", "description": "embedded, or a URL"}, sections["StoreSpec"]]}
    top = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Segue configuration"}
    return {**top, **_tidied(found), "required": REQUIRED_AT_THE_TOP}


def _tidied(node: Any) -> Any:
    """Without generated titles; whatever is no text or mapping may also be a `${REFERENCE}`."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidied = {name: _tidied(value) for name, value in node.items() if not (name == "title" and isinstance(value, str))}
    if tidied.get("type") in ("integer", "number", "boolean"):
        around = {name: tidied.pop(name) for name in ("description", "default") if name in tidied}
        return {**around, "anyOf": [tidied, _REFERENCE]}
    return tidied


def parameter_table() -> str:
    vocabularies = [vocabulary for vocabulary in UPSTREAM.values() if vocabulary.column]
    lines = [
        f"| parameter | meaning | {' | '.join(vocabulary.name for vocabulary in vocabularies)} |",
        "|---|---|" + "---|" * len(vocabularies),
    ]
    for parameter in PARAMETERS:
        cells = [_cell(vocabulary.column[parameter.name], parameter) for vocabulary in vocabularies]
        lines.append(f"| `{parameter.name}` | {_escaped(parameter.meaning)} | {' | '.join(cells)} |")
    return _PARAMETERS_TOP + "\n".join(lines) + "\n"


def _cell(rule: Rule, parameter: Parameter) -> str:
    wire = f" `{rule.wire}`" if rule.wire and rule.wire != parameter.name else ""
    harmless = ", ".join(dict.fromkeys(f"`{json.dumps(_whole(value))}`" for value in rule.neutral))
    unless = f"; {harmless} goes silently" if harmless and rule.action in (Action.DROP, Action.INELIGIBLE) else ""
    note = f": {rule.note}" if rule.note else ""
    return _escaped(f"**{rule.action.value}**{wire}{note}{unless}")


def _whole(value: Any) -> Any:
    """0.0 as 0, so that the two count as one value."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _with_tables(path: str, begin: str, end: str, tables: Iterator[str]) -> str:
    """The page with fresh tables between its marks. Raises ValueError if the marks are missing."""
    before, found, rest = (ROOT / path).read_text("utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{path} lacks {begin} … {end}")
    return f"{before}{begin}\n\n" + "\n".join(tables) + f"\n{end}{after}"


def _heirs() -> Iterator[str]:
    """Who is known to go on with an answer: providers first, then single models."""
    yield from ("| provider | vocabulary | asked by | where |", "|---|---|---|---|")
    for provider in PROVIDERS.values():
        for endpoint in provider.endpoints:
            quirks = endpoint.quirks
            if quirks.prefill is not None:
                asked = _PREFILLS[quirks.prefill] + ("; its echo is cut off" if quirks.prefill_echoed else "")
                path = quirks.prefill_path or endpoint.path
                yield f"| {provider.name} | {endpoint.vocabulary} | {asked} | `{path}` |"
    for does, said in ((True, "These models go on"), (False, "These refuse it, or begin anew")):
        names = ", ".join(f"`{model.prefix}`" for model in MODELS if model.accepts_prefill is does)
        yield from ("", f"{said}, whatever their provider does for others: {names}.")
    yield ""


_TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", spec.Spec),
    ("server", spec.ServerSpec),
    ("operations", spec.OperationsSpec),
    ("operations.admin_keys[]", spec.AdminKeySpec),
    ("store", spec.StoreSpec),
    ("providers.NAME", spec_upstreams.ProviderSpec),
    ("providers.NAME.quirks", spec_upstreams.QuirksSpec),
    ("defaults", spec_routes.DefaultsSpec),
    ("routes.NAME", spec_routes.RouteSpec),
    ("routes.NAME.candidates[]: a candidate", spec_routes.CandidateSpec),
    ("routes.NAME.candidates[]: several of equal rank", spec_routes.StepSpec),
    ("routes.NAME.candidates[]: another route", spec_routes.NestedSpec),
    ("concurrency", spec_routes.ConcurrencySpec),
    ("retries", spec_routes.RetriesSpec),
    ("hedging", spec_routes.HedgingSpec),
    ("timeouts", spec_routes.RouteTimeouts),
    ("breaker", spec_routes.BreakerSpec),
    ("tenants.NAME", spec.TenantSpec),
    ("tenants.NAME.keys[]", spec.KeySpec),
)


def _field_tables() -> Iterator[str]:
    for title, section in _TABLES:
        yield from (f"### {title}", "", "| field | default | meaning |", "|---|---|---|")
        for name, field in section.model_fields.items():
            yield f"| `{name}` | {_default(section, name, field)} | {_escaped(field.description or '')} |"
        yield ""


def _default(section: type[BaseModel], name: str, field: FieldInfo) -> str:
    required = REQUIRED_AT_THE_TOP if section is spec.Spec else REQUIRED.get(section.__name__, [])
    if field.is_required() or name in required:
        return "required"
    if field.default is None or field.default_factory is not None:
        return ""
    value = _shown(field.default)
    if name in ("body_limit", "maximum_memory"):
        value = f"{value // 1024**2}MiB"
    return f"`{', '.join(value) if isinstance(value, list) else value}`"


def _shown(default: Any) -> Any:
    """What a default says; one of a type that hides what it holds is no secret."""
    return default.get_secret_value() if isinstance(default, SecretStr) else default


def main() -> None:
    for path, content in rendered().items():
        target = ROOT / path
        if not target.is_file() or target.read_text("utf-8") != content:
            target.write_text(content, "utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
