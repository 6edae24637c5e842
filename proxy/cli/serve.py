"""`segue serve`: what is configured, on two ports, until it is told to stop."""

import errno
import os
import re
import socket
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from proxy.app import mint, serve
from proxy.cli.configuration import load_file, mistakes
from proxy.cli.files import fail
from proxy.runtime.environment import Discovered, snapshot_from_environment
from proxy.runtime.problems import ConfigurationError
from proxy.runtime.snapshot import ServerSettings, Snapshot
from proxy.telemetry import log

# How asyncio names the address it could not bind.
_ADDRESS = re.compile(r"\('([^']*)', (\d+)")


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def run(
    config: Annotated[
        str | None, typer.Option("-c", "--config", metavar="FILE", help="Without it: the keys in the environment.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Listen here instead of where the configuration says.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The API's port; 0 takes a free one.")] = None,
    operations_port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port of /metrics.")] = None,
    log_level: Annotated[LogLevel, typer.Option(help="How much is logged.")] = LogLevel.INFO,
) -> None:
    snapshot = _configured(config) if config is not None else _discovered()
    asked = {"host": host, "port": port, "operations_port": operations_port}
    given = {name: value for name, value in asked.items() if value is not None}
    settings = msgspec.structs.replace(snapshot.server, **given)
    log.configure(log_level)
    try:
        serve(msgspec.structs.replace(snapshot, server=settings), _say)
    except OSError as error:
        fail(_unreachable(error, settings))


def _configured(path: str) -> Snapshot:
    try:
        return load_file(path)
    except ConfigurationError as error:
        fail(f"{path} cannot be served:\n{mistakes(error, path)}")


def _discovered() -> Snapshot:
    try:
        found = snapshot_from_environment(os.environ, mint)
    except ConfigurationError as error:
        fail("\n".join(map(str, error.problems)))
    _say(introduction(found))
    return found.snapshot


def introduction(found: Discovered) -> str:
    """What was built out of the environment, and the key to it."""
    routes = found.snapshot.routes
    width = max(map(len, routes))
    chains = (
        f"  {name:{width}}  {' → '.join(target.name for target in route.candidates)}" for name, route in routes.items()
    )
    return "\n".join(
        [
            f"providers found in the environment: {', '.join(found.sources)}",
            "",
            "routes",
            *chains,
            "",
            f"API key, for this run only: {found.key}",
            "",
        ]
    )


def _say(text: str) -> None:
    typer.echo(text)


def _unreachable(error: OSError, settings: ServerSettings) -> str:
    named = _ADDRESS.search(error.strerror or "")
    where = (
        f"{named[1]}:{named[2]}"
        if named
        else f"{settings.host}:{settings.port} and {settings.operations_host}:{settings.operations_port}"
    )
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {where}: a host is unknown; use an address of this machine"
    match error.errno:
        case errno.EADDRINUSE:
            return f"cannot listen on {where}: in use; choose another with --port or --operations-port"
        case errno.EACCES:
            return f"cannot listen on {where}: ports below 1024 need privileges; choose another with --port"
        case errno.EADDRNOTAVAIL:
            return f"cannot listen on {where}: no address of this machine; 0.0.0.0 means all of them"
        case _:
            return f"cannot serve on {where}: {error.strerror or error}"
