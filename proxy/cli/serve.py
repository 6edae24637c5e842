"""`segue serve`: what is configured, on two ports, until it is told to stop."""

import asyncio
import contextlib
import errno
import os
import re
import resource
import signal
import socket
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from proxy.cli.configuration import mistakes
from proxy.cli.files import fail
from proxy.master.data_directory import DirectoryInUse
from proxy.master.master import serve
from proxy.master.sources import FileSource, FixedSource, Source
from proxy.master.workers import NeverStarted
from proxy.runtime.build import Configuration
from proxy.runtime.environment import Discovered, configuration_from_environment
from proxy.runtime.places import RunDirectoryUnusable
from proxy.runtime.problems import ConfigurationError
from proxy.runtime.snapshot import ServerSettings
from proxy.telemetry import log

# How `listening.bind` names the address it could not bind.
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
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="How many processes serve.")] = None,
    operations_port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port of /metrics.")] = None,
    log_level: Annotated[LogLevel, typer.Option(help="How much is logged.")] = LogLevel.INFO,
) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is somebody who can reload
    _take_all_descriptors()
    source: Source = FileSource(config, os.environ) if config is not None else FixedSource(_discovered())
    configuration = _read(source)
    asked = {"host": host, "port": port, "operations_port": operations_port, "workers": workers}
    given = {name: value for name, value in asked.items() if value is not None}
    settings = msgspec.structs.replace(configuration.snapshot.server, **given)
    log.configure(log_level)
    try:
        asyncio.run(serve(source, configuration, settings, log_level.value, _say))
    except OSError as error:
        fail(_unreachable(error, settings))
    except (DirectoryInUse, NeverStarted, RunDirectoryUnusable) as error:
        fail(str(error))


def _take_all_descriptors() -> None:
    """Every connection takes one; what is usual for a shell is too few for a proxy."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _read(source: Source) -> Configuration:
    try:
        return source.read()
    except ConfigurationError as error:
        fail(f"{source.name} cannot be served:\n{mistakes(error, source.name)}")
    except OSError as error:
        fail(f"cannot read {source.name}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"cannot read {source.name}: it is not UTF-8 text")


def _discovered() -> Configuration:
    try:
        found = configuration_from_environment(os.environ)
    except ConfigurationError as error:
        fail("\n".join(map(str, error.problems)))
    _say(introduction(found))
    return found.configuration


def introduction(found: Discovered) -> str:
    """What was built out of the environment, and the key to it."""
    routes = found.configuration.snapshot.routes
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
    if isinstance(error, socket.gaierror):
        both = f"{settings.host}:{settings.port} and {settings.operations_host}:{settings.operations_port}"
        return f"cannot listen on {both}: a host is unknown; use an address of this machine"
    named = _ADDRESS.search(error.strerror or "")
    if named is None:
        return f"cannot serve: {error}"
    where = f"{named[1]}:{named[2]}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"cannot listen on {where}: in use; choose another with --port or --operations-port"
        case errno.EACCES:
            return f"cannot listen on {where}: ports below 1024 need privileges; choose another with --port"
        case errno.EADDRNOTAVAIL:
            return f"cannot listen on {where}: no address of this machine; 0.0.0.0 means all of them"
        case _:
            return error.strerror or str(error)
