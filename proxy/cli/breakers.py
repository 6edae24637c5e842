"""`segue breakers`: how the breakers of a running instance stand, and forcing them."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from proxy.cli.admin_client import AdminKeyFile, AsJson, Client, Config, Url, finish, show_json
from proxy.cli.tables import columns

commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_HEAD = ("name", "state", "detail", "retry in", "failures", "successes", "forced until", "says who")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A target, or credential:PROVIDER; see 'segue breakers list'.")
]


@commands.command("list", help="All targets and credentials, as the workers see them.")
def show(config: Config = None, url: Url = None, admin_key_file: AdminKeyFile = None, as_json: AsJson = False) -> None:
    answer = Client(config, url, admin_key_file).ask("GET", "breakers")
    if as_json:
        show_json(answer.body)
    else:
        for line in columns([_HEAD, *map(_row, answer.body["breakers"])]):
            typer.echo(line)
    finish(answer, "nothing new was heard of")


@commands.command("open", help="Let nobody through to a target, or with a credential, for a while.")
def force_open(
    name: Name,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="How long.")] = 600.0,
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
) -> None:
    answer = Client(config, url, admin_key_file).ask("POST", "breakers", name, "open", body={"seconds": seconds})
    _tell(answer.body["breaker"])
    finish(answer)


@commands.command("reset", help="Close a breaker and forget what was held against it.")
def reset(name: Name, config: Config = None, url: Url = None, admin_key_file: AdminKeyFile = None) -> None:
    answer = Client(config, url, admin_key_file).ask("POST", "breakers", name, "reset")
    _tell(answer.body["breaker"])
    finish(answer)


def _tell(breaker: Mapping[str, Any]) -> None:
    detail = f" ({breaker['detail']})" if breaker["detail"] else ""
    until = f" until {breaker['forced_until']}" if breaker["forced_until"] else ""
    typer.echo(f"{breaker['name']} is {breaker['state']}{detail}{until}")


def _row(breaker: Mapping[str, Any]) -> tuple[str, ...]:
    wait = breaker["retry_in_seconds"]
    is_unanimous = len(breaker["said_by"]) == len(breaker["workers"])
    return (
        breaker["name"],
        breaker["state"],
        breaker["detail"] or "-",
        f"{wait:.0f} s" if wait else "-",
        str(breaker["failures"]),
        str(breaker["successes"]),
        breaker["forced_until"] or "-",
        ("all" if breaker["workers"] else "-") if is_unanimous else ", ".join(breaker["said_by"]),
    )
