"""`segue explain`: who would be asked for a model, in which order, who would not and why."""

import asyncio
import json
import os
import re
import time
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from proxy.admission.shared_keys import SharedKeys
from proxy.admission.tenants import authenticate, authorize, checked, route_named
from proxy.canonical.request import Request
from proxy.cli.admin_client import AsJson, Config, Instance, instances, running
from proxy.cli.configuration import load_file, mistakes
from proxy.cli.explanation import Explanation, Kept, chain, left_out, read_body, refusal, settings
from proxy.cli.explanation_text import lines
from proxy.cli.files import bytes_of, fail
from proxy.cli.told import held_key, shown, told_by
from proxy.errors import ProxyError
from proxy.master.status import Breaker
from proxy.routing.candidates import Operation, Route, no_capable_candidate
from proxy.routing.standing import CREDENTIAL
from proxy.runtime import keys
from proxy.runtime.environment import configuration_from_environment
from proxy.runtime.problems import ConfigurationError
from proxy.runtime.snapshot import Key, Snapshot
from proxy.vocabularies.catalog import CHAT, DOWNSTREAM
from proxy.wire.fields import parse_object

_ID = re.compile(r"[0-9a-z]{8}\Z")


class Asked(NamedTuple):
    """What the options say. `key`: a key or its id."""

    model: str | None
    key: str | None
    body: dict[str, Any] | None
    vocabulary: str | None
    mark: str | None


def run(
    model: Annotated[str | None, typer.Option(metavar="M", help="The model asked for; default: the body's.")] = None,
    key: Annotated[
        str | None, typer.Option(metavar="K", help="Who asks: the id of a key (or the key: shells remember).")
    ] = None,
    body: Annotated[
        str | None, typer.Option(metavar="FILE", help="A request body, - for standard input; default: a plain text.")
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose body it is; default: whose it looks like.")
    ] = None,
    mark: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The value of the header that the route's affinity goes by.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    if vocabulary is not None and vocabulary not in DOWNSTREAM:
        fail(f"there is no vocabulary '{vocabulary}': choose from {', '.join(DOWNSTREAM)}")
    asked = Asked(model, key, _body(body), vocabulary, mark)
    if asked.model is None and not isinstance((asked.body or {}).get("model"), str):
        fail("say which model is asked for: --model M, or a --body that names one")
    snapshot = _snapshot(config)
    found = running(instances(config, None, None))
    explained = _explained(snapshot, asked, found)
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(explained), ensure_ascii=False, indent=2))
    else:
        for line in lines(explained):
            typer.echo(line)
    if explained.refused is not None:
        raise typer.Exit(1)


def _body(file: str | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        return parse_object(bytes_of(file))
    except ProxyError as error:
        fail(f"{file}: {error.message}")


def _snapshot(config: str | None) -> Snapshot:
    try:
        if config is not None:
            return load_file(config).snapshot
        return configuration_from_environment(os.environ).configuration.snapshot
    except ConfigurationError as error:
        fail(mistakes(error, config) if config is not None else "\n".join(map(str, error.problems)))


def _explained(snapshot: Snapshot, asked: Asked, found: list[Instance]) -> Explanation:
    model = asked.model if asked.model is not None else str((asked.body or {})["model"])
    operation = _operation(asked, snapshot.routes.get(model))
    explained = Explanation(model=model, operation=operation.value)
    reading = DOWNSTREAM[asked.vocabulary] if asked.vocabulary is not None else CHAT
    key = None
    try:
        if asked.key is not None:
            key = _key(snapshot, asked.key, found)
            explained = msgspec.structs.replace(explained, key=key.id, tenant=key.tenant)
        request = Request("", model, {})
        if asked.body is not None:
            reading, request = read_body(asked.body, model, asked.vocabulary, operation)
            explained = msgspec.structs.replace(explained, read_as=reading.name)
        if key is not None:
            authorize(key, operation.scope, model)
        route = route_named(snapshot, model)
    except ProxyError as error:
        return msgspec.structs.replace(explained, refused=refusal(error, reading))
    mark = _mark(route, key, asked.mark)
    kept, refused = chain(route, request, operation, mark)
    told = told_by(found)
    return msgspec.structs.replace(
        explained,
        candidates=[_with_breakers(each, told.breakers) for each in kept],
        left_out=list(map(left_out, refused)),
        route=settings(route, request, kept),
        refused=None if kept else refusal(no_capable_candidate(request, refused), reading),
        instance=told.place,
        notes=[*told.notes, *_unmarked(route, mark)],
    )


def _operation(asked: Asked, route: Route | None) -> Operation:
    """A route with dimensions is one for embeddings."""
    is_embedding = asked.vocabulary == Operation.EMBEDDINGS.value or (
        route is not None and route.dimensions is not None
    )
    return Operation.EMBEDDINGS if is_embedding else Operation.GENERATE


def _key(snapshot: Snapshot, given: str, found: list[Instance]) -> Key:
    """The key that was given, or that has this id: the file's, else one that a running instance knows; of those only
    the id can be looked at. Raises Unauthenticated."""
    now = time.time()
    by_id = {key.id: key for key in snapshot.keys.values()}
    key_id = given
    if not _ID.match(given):
        parts = keys.parse(given)
        if parts is None or parts.id in by_id:
            found_key = asyncio.run(authenticate(snapshot, SharedKeys(None, time.monotonic, 0.0), [given], now, 0.0))
            key_id = found_key.id
        else:
            key_id = parts.id
    held = held_key(found, key_id)
    key = by_id.get(key_id) or (held.key if held is not None else None)
    return checked(key, {key_id} if held is not None and held.is_dead else (), now)


def _mark(route: Route, key: Key | None, header: str | None) -> str | None:
    match route.affinity.by:
        case "key":
            return key.id if key is not None else None
        case "header":
            return header or None
    return None


def _unmarked(route: Route, mark: str | None) -> list[str]:
    if not route.places or mark is not None or route.affinity.by == "none":
        return []
    if route.affinity.by == "key":
        return ["requests of one key keep to the same candidate of a step: say whose with --key"]
    same = f"requests with the same {route.affinity.header}"
    return [f"{same} keep to the same candidate of a step: give its value with --mark"]


def _with_breakers(kept: Kept, breakers: Mapping[str, Breaker]) -> Kept:
    return msgspec.structs.replace(
        kept,
        breaker=shown(breakers.get(kept.target)),
        credential=shown(breakers.get(f"{CREDENTIAL}{kept.provider}")),
    )
