"""The OpenAPI document of /admin, made of the routes and their models. <https://spec.openapis.org/oas/v3.1.1.html>"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from proxy import __version__
from proxy.master.admin_exchange import PARTIAL
from proxy.master.admin_models import ErrorAnswer, Nothing
from proxy.master.admin_routes import Route

_JSON = "application/json"
_SCHEMAS = "#/components/schemas/{model}"
_REFUSALS = {
    400: "A field or parameter is wrong; `field` says which.",
    401: "No admin key, or none of this instance's.",
    403: "This instance has no admin keys.",
    404: "There is no such tenant, key, target or credential.",
    409: "The record does not allow it: it is in the file (the message says where), taken, or ended.",
    413: "The body is too large.",
    422: "What was read cannot be served; `details` say why.",
    503: "The store cannot be asked, or can keep nothing; the message says what became of the change.",
}


class Operation(msgspec.Struct, omit_defaults=True, rename="camel"):
    """One method of a path."""

    operation_id: str
    summary: str
    tags: list[str]
    responses: dict[str, dict[str, Any]]
    parameters: list[dict[str, Any]] = []
    request_body: dict[str, Any] | None = None


def document(routes: Iterable[Route]) -> bytes:
    """As JSON."""
    table = tuple(routes)
    asked: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (route.body, "validation") for route in table if route.body is not Nothing
    ]
    answers: list[type[BaseModel]] = [*(route.answer for route in table), ErrorAnswer]
    told: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "serialization") for model in answers]
    named, definitions = models_json_schema(list(dict.fromkeys([*asked, *told])), ref_template=_SCHEMAS)
    schemas = {model: schema for (model, _), schema in named.items()}
    paths: dict[str, dict[str, Operation]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.1",
            "info": {"title": "Segue administration", "version": __version__},
            "paths": paths,
            "components": {
                "schemas": definitions["$defs"],
                "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}},
            },
            # None is needed over the control socket.
            "security": [{"adminKey": []}, {}],
        }
    )


def _operation(route: Route, schemas: Mapping[Any, Any]) -> Operation:
    told = schemas[route.answer]
    answers = {str(route.status): _answer("Done, everywhere." if route.changes else "What there is.", told)}
    if "missing" in route.answer.model_fields:
        answers[str(PARTIAL)] = _answer(
            "Some could not be asked, or have not acknowledged: `missing` names them.", told
        )
    refusal = schemas[ErrorAnswer]
    answers |= {str(status): _answer(_REFUSALS[status], refusal) for status in _refusals(route)}
    body = None
    if route.body is not Nothing:
        asked = schemas[route.body]
        is_required = any(field.is_required() for field in route.body.model_fields.values())
        body = {"required": is_required, "content": {_JSON: {"schema": asked}}}
    return Operation(
        operation_id=route.action,
        summary=route.summary,
        tags=[route.path.split("/")[2]],
        responses=answers,
        parameters=[*_in_path(route), *_in_query(route)],
        request_body=body,
    )


def _answer(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _refusals(route: Route) -> list[int]:
    found = [400, 401, 403]
    if route.parameter or route.action == "create_key":
        found.append(404)
    if route.action == "reload":
        found.append(422)
    if route.changes:
        found.append(413)
    if route.changes and route.needs_store:
        found.append(409)
    if route.needs_store and (route.changes or route.parameter):
        found.append(503)
    return found


def _in_path(route: Route) -> list[dict[str, Any]]:
    if not route.parameter:
        return []
    return [{"name": route.parameter, "in": "path", "required": True, "schema": {"type": "string"}}]


def _in_query(route: Route) -> list[dict[str, Any]]:
    fields: dict[str, dict[str, Any]] = route.query.model_json_schema().get("properties", {})
    return [
        {"name": name, "in": "query", "description": schema.pop("description", ""), "schema": schema}
        for name, schema in fields.items()
    ]
