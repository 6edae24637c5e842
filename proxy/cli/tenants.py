"""`segue tenants`: those that the store of a running instance holds."""

import shlex
from enum import StrEnum
from typing import Annotated

import typer

from proxy.cli.admin_client import AdminKeyFile, AsJson, Client, Config, Url, finish, show_json
from proxy.cli.tables import columns

commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME")]


class Notices(StrEnum):
    EVENTS = "events"
    COMMENTS = "comments"
    NONE = "none"


@commands.command("list", help="All tenants, of the file and of the store.")
def show(config: Config = None, url: Url = None, admin_key_file: AdminKeyFile = None, as_json: AsJson = False) -> None:
    answer = Client(config, url, admin_key_file).ask("GET", "tenants")
    if as_json:
        show_json(answer.body)
    else:
        rows = [(each["name"], each["place"] or each["held_by"]) for each in answer.body["tenants"]]
        for line in columns([("tenant", "held by"), *rows]):
            typer.echo(line)
    finish(answer, "could not be asked")


@commands.command("create", help="Make a tenant in the store.")
def create(
    name: Name,
    fallback_events: Annotated[
        Notices | None, typer.Option(help="How fallbacks are told in streams; default: by client.")
    ] = None,
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
) -> None:
    wanted = {"name": name, "fallback_events": fallback_events}
    answer = Client(config, url, admin_key_file).ask("POST", "tenants", body=wanted)
    options = {"--tenant": name, "-c": config, "--url": url, "--admin-key-file": admin_key_file}
    given = [word for option, value in options.items() if value is not None for word in (option, value)]
    typer.echo(f"made the tenant {name}; its first key: {shlex.join(['segue', 'keys', 'create', *given])}")
    finish(answer)


@commands.command("delete", help="Delete a tenant of the store; its keys are revoked.")
def delete(
    name: Name,
    terminate: Annotated[bool, typer.Option("--terminate", help="Also end the requests that are running.")] = False,
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
) -> None:
    query = {"terminate": str(terminate).lower()}
    answer = Client(config, url, admin_key_file).ask("DELETE", "tenants", name, query=query)
    revoked = answer.body["revoked"]
    typer.echo(f"deleted the tenant {name}; revoked with it: {', '.join(revoked) or 'no keys'}")
    finish(answer)
