"""The OpenAPI document: it tells of every route there is, its schemas hold what is really sent and answered."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import jsonschema
import pytest

from proxy.master.admin_routes import Route, routes
from proxy.routing.standing import BreakerRow
from tests.architecture.source import text
from tests.master.instance import Scene, playing
from tests.store.servers import running


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with running() as server:
        async with playing(server) as found:
            yield found


@pytest.fixture
async def told(scene: Scene) -> dict[str, Any]:
    reply = await scene.ask("GET", "/admin/openapi.json")
    assert reply.status == 200
    assert isinstance(reply.body, dict)
    return reply.body


def table(scene: Scene) -> tuple[Route, ...]:
    return routes(scene.master, lambda: 0.0)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def fits(told: dict[str, Any], schema: dict[str, Any], body: Any) -> None:
    """Raises ValidationError."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": told["components"], **schema}
    jsonschema.Draft202012Validator(whole).validate(body)


async def test_it_tells_of_every_route(scene: Scene, told: dict[str, Any]):
    assert told["openapi"].startswith("3.1.")
    described = {(path, method) for path, methods in told["paths"].items() for method in methods}
    assert described == {(route.path, route.method.lower()) for route in table(scene)}
    names = [operation["operationId"] for methods in told["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_the_documentation_tells_of_every_route(scene: Scene):
    written = text("docs/administration.md")
    assert [route for route in table(scene) if f"`{route.method} {route.path}" not in written] == []


async def test_every_reference_leads_somewhere(told: dict[str, Any]):
    found = set(references(told))
    assert found
    for reference in found:
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in told["components"]["schemas"]
    for schema in told["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_parameters_of_paths_and_queries_are_there(told: dict[str, Any]):
    revoke = told["paths"]["/admin/keys/{id}/revoke"]["post"]
    assert [(each["name"], each["in"]) for each in revoke["parameters"]] == [("id", "path"), ("terminate", "query")]
    assert "requestBody" not in revoke
    assert told["paths"]["/admin/keys"]["post"]["requestBody"]["required"] is True
    assert told["paths"]["/admin/keys/{id}/rotate"]["post"]["requestBody"]["required"] is False


async def test_what_is_left_out_of_a_change_has_no_default(told: dict[str, Any]):
    properties = told["components"]["schemas"]["ChangeKey"]["properties"]
    assert not any("default" in schema for schema in properties.values())


async def test_answers_are_as_described(scene: Scene, told: dict[str, Any]):
    made, _ = await scene.made()
    forced = BreakerRow("openai/gpt-6.1-sol", "open", "forced_open", 59.5, 1, 2, 1_900_000_000.0, "openai")
    scene.master.told = {"worker 0": [forced]}
    asked: list[tuple[str, str, dict[str, str], Any]] = [
        ("get", "/admin/status", {}, None),
        ("post", "/admin/reload", {}, None),
        ("get", "/admin/breakers", {}, None),
        ("get", "/admin/breakers/{name}", {"name": "openai%2Fgpt-6.1-sol"}, None),
        ("get", "/admin/breakers/{name}", {"name": "nobody"}, None),
        ("post", "/admin/breakers/{name}/open", {"name": "openai%2Fgpt-6.1-sol"}, {"seconds": 60}),
        ("post", "/admin/breakers/{name}/open", {"name": "openai%2Fgpt-6.1-sol"}, {"seconds": 0}),
        ("post", "/admin/breakers/{name}/reset", {"name": "credential%3Aopenai"}, None),
        ("get", "/admin/tenants", {}, None),
        ("post", "/admin/tenants", {}, {"name": "team-b"}),
        ("post", "/admin/tenants", {}, {"name": "team-b"}),
        ("get", "/admin/tenants/{name}", {"name": "team-b"}, None),
        ("patch", "/admin/tenants/{name}", {"name": "team-b"}, {"fallback_events": "none"}),
        ("delete", "/admin/tenants/{name}", {"name": "team-b"}, None),
        ("get", "/admin/tenants/{name}", {"name": "team-b"}, None),
        ("get", "/admin/keys", {}, None),
        ("post", "/admin/keys", {}, {"tenant": "team-a", "expires": "2099-01-01", "models": ["gpt"]}),
        ("post", "/admin/keys", {}, {"tenant": "nobody"}),
        ("post", "/admin/keys", {}, {"tenant": 1}),
        ("get", "/admin/keys/{id}", {"id": made}, None),
        ("patch", "/admin/keys/{id}", {"id": made}, {"expires": None}),
        ("post", "/admin/keys/{id}/rotate", {"id": made}, {}),
        ("post", "/admin/keys/{id}/revoke", {"id": made}, None),
    ]
    for method, path, names, body in asked:
        operation = told["paths"][path][method]
        reply = await scene.ask(method.upper(), path.format(**names), body)
        fits(told, operation["responses"][str(reply.status)]["content"]["application/json"]["schema"], reply.body)
        if body is not None and reply.status != 400:
            fits(told, operation["requestBody"]["content"]["application/json"]["schema"], body)
    scene.master.missing = ["worker 1"]
    partial = await scene.ask("POST", "/admin/keys", {"tenant": "team-a"})
    schema = told["paths"]["/admin/keys"]["post"]["responses"]["207"]["content"]["application/json"]["schema"]
    fits(told, schema, partial.body)


async def test_every_refusal_is_described(scene: Scene, told: dict[str, Any]):
    for route in table(scene):
        described = told["paths"][route.path][route.method.lower()]["responses"]
        assert {"401", "403", "400"} < set(described)
        assert str(route.status) in described
