"""`segue check`: every mistake of a configuration with its line and remedy, or a summary of it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from proxy.cli.configuration import load_file, mistakes
from proxy.cli.files import fail
from proxy.routing.candidates import Operation, Route
from proxy.runtime.advice import advice
from proxy.runtime.build import Configuration
from proxy.runtime.problems import ConfigurationError
from proxy.runtime.snapshot import Key


def run(
    named: Annotated[str | None, typer.Argument(metavar="FILE", help="The configuration to check.")] = None,
    config: Annotated[
        str | None, typer.Option("-c", "--config", metavar="FILE", help="The same, as other commands take it.")
    ] = None,
) -> None:
    file = named if named is not None else config
    if file is None or None not in (named, config):
        fail("name one configuration to check: segue check FILE")
    try:
        configuration = load_file(file)
    except ConfigurationError as error:
        typer.echo(mistakes(error, file))
        raise typer.Exit(1) from None
    typer.echo(f"{file}: no mistakes")
    for line in summary(configuration, time.time()):
        typer.echo(line)


def summary(configuration: Configuration, now: float) -> Iterator[str]:
    snapshot = configuration.snapshot
    yield "\nroutes"
    for route in snapshot.routes.values():
        yield from _described(route)
    yield "\ntenants"
    for key in snapshot.keys.values():
        yield f"  {key.tenant}: key {key.id}, {_rights(key)}"
    warnings = advice(configuration, now)
    if warnings:
        yield "\nwarnings"
        yield from (f"  {warning}" for warning in warnings)


def _described(route: Route) -> Iterator[str]:
    """The numbers are those of the steps."""
    yield f"  {route.name}"
    for target, place in zip(route.candidates, route.placed(), strict=True):
        vocabulary, _ = target.operations[Operation.GENERATE]
        window = f", {target.context_window:,} tokens" if target.context_window else ""
        weight = f", weight {place.weight:g}" if place.weight != 1 else ""
        yield f"    {place.step + 1}. {target.name} ({vocabulary.name}{window}{weight})"


def _rights(key: Key) -> str:
    models = ", ".join(key.models) or "every model"
    expires = (
        f", until {datetime.fromtimestamp(key.expires, UTC):%Y-%m-%d %H:%M} UTC" if key.expires is not None else ""
    )
    return f"{models}; {', '.join(key.scopes)}{expires}"
