"""Shared code names no provider and no vocabulary: both are reached through their catalogs."""

import ast
import re

import pytest

from proxy.providers.catalog import PROVIDERS
from tests.architecture.source import Module, module, modules, strings, words

VOCABULARIES = {"responses", "chat", "messages", "domain"}

# Where a name is at home. The demo plays the providers; the checker judges each vocabulary by its published rules.
NAMES_PROVIDERS = ("proxy/providers/", "proxy/demo/")
NAMES_VOCABULARIES = ("proxy/vocabularies/catalog.py", "proxy/providers/", "proxy/demo/", "proxy/conformance/")
# The same word with another meaning: what this dialect calls its list of turns.
FIELDS = {("proxy/vocabularies/chat/", "messages")}
# A format of answers only says by this attribute whose requests it answers (`wire.codec.Downstream`).
REFERENCE = "read_like"
# A name that is also an English word counts only when it is the whole string or identifier.
ENGLISH = {"together"}


def providers_named(found: Module, providers: set[str]) -> list[str]:
    named = [(node.lineno, name) for node in strings(found.tree) for name in providers if says(node.value, name)]
    named += [
        (line, name) for line, identifier in identifiers(found.tree) for name in providers if spells(identifier, name)
    ]
    return sorted({f"{found.path}:{line} {name}" for line, name in named})


def says(literal: object, name: str) -> bool:
    """Whether a string names the provider. A header (`openai-beta`) and a client (`OpenAI/Python`) are wire facts."""
    lowered = str(literal).lower()
    if name in ENGLISH:
        return lowered == name
    return re.search(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9/-])", lowered) is not None


def spells(identifier: str, name: str) -> bool:
    """Whether neighbouring words of the identifier spell the name: OpenAIClient -> open, ai, client."""
    parts = words(identifier)
    if name in ENGLISH:
        return parts == [name]
    return any("".join(parts[i:j]) == name for i in range(len(parts)) for j in range(i + 1, len(parts) + 1))


def identifiers(tree: ast.AST) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                found.append((node.lineno, name))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.append((node.lineno, name))
            case ast.keyword(arg=str(name)):
                found.append((node.lineno, name))
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                dotted = [getattr(node, "module", "") or "", *(alias.name for alias in aliases)]
                found += [(node.lineno, part) for path in dotted for part in path.split(".")]
    return found


def vocabularies_named(found: Module) -> list[str]:
    references = {
        id(node.value) for node in ast.walk(found.tree) if isinstance(node, ast.Assign) and is_reference(node)
    }
    return [
        f"{found.path}:{node.lineno} {node.value}"
        for node in strings(found.tree)
        if node.value in VOCABULARIES
        and id(node) not in references
        and not found.path.startswith(f"proxy/vocabularies/{node.value}/")
        and not any(found.path.startswith(folder) and node.value == field for folder, field in FIELDS)
    ]


def is_reference(node: ast.Assign) -> bool:
    return [target.id for target in node.targets if isinstance(target, ast.Name)] == [REFERENCE]


def test_shared_code_names_no_provider():
    shared = [found for found in modules("proxy") if not found.path.startswith(NAMES_PROVIDERS)]
    assert [problem for found in shared for problem in providers_named(found, set(PROVIDERS))] == []


def test_shared_code_names_no_vocabulary():
    shared = [found for found in modules("proxy") if not found.path.startswith(NAMES_VOCABULARIES)]
    assert [problem for found in shared for problem in vocabularies_named(found)] == []


@pytest.mark.parametrize(
    "source",
    [
        "if name == 'groq': ...",
        "url = 'https://api.groq.com/v1'",
        "key = f'{prefix}GROQ_API_KEY'",
        "message = 'ask Groq for a key'",
        "class GroqDecoder: ...",
        "def read(groq_usage): ...",
        "read(groq=True)",
        "from proxy.providers.groq import GROQ as provider",
    ],
)
def test_a_providers_name_is_noticed(source: str):
    assert providers_named(module(source), {"groq"}) != []


def test_a_name_of_several_words_is_noticed():
    assert providers_named(module("class OpenAIThing: ..."), {"openai"}) == ["proxy/sample.py:1 openai"]


def test_an_english_name_is_noticed_when_it_stands_alone():
    assert providers_named(module("x = 'together'\ndef together(): ..."), {"together"}) == [
        "proxy/sample.py:1 together",
        "proxy/sample.py:2 together",
    ]


@pytest.mark.parametrize(
    "source",
    [
        '"""Groq says so."""\nx = 1  # groq',
        "x = 1\n'''What groq calls usage.'''",
        "header = 'groq-version'",
        "client = 'Groq/Python'",
        "text = 'these two cannot be used together'",
        "maximum_ai = 1",
    ],
)
def test_prose_and_wire_facts_pass(source: str):
    assert providers_named(module(source), {"groq", "together", "xai"}) == []


def test_a_vocabularys_name_is_noticed():
    assert vocabularies_named(module("kind = 'chat'", "proxy/http/routes.py")) == ["proxy/http/routes.py:1 chat"]
    assert vocabularies_named(module("kind = 'chat'", "proxy/vocabularies/messages/x.py")) != []
    assert vocabularies_named(module("x = 'domain'", "proxy/vocabularies/chat/x.py")) != []


def test_a_vocabulary_may_say_its_own_name_and_a_path_is_no_name():
    assert vocabularies_named(module("x = 'chat', 'messages'", "proxy/vocabularies/chat/x.py")) == []
    assert vocabularies_named(module("path = '/v1/chat/completions'", "proxy/http/routes.py")) == []


def test_only_the_one_attribute_may_refer_to_another_vocabulary():
    path = "proxy/vocabularies/domain/x.py"
    assert vocabularies_named(module("class V:\n    read_like = 'chat'", path)) == []
    for source in (
        "class V:\n    name = 'chat'",
        "read_like = {'chat': 1}",
        "x = read_like = 'chat'",
        "f(read_like='chat')",
    ):
        assert vocabularies_named(module(source, path)) != []
