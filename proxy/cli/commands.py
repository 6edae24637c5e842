"""The table of commands: their names, what they are for, and where they are."""

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Annotated, NamedTuple

import typer

from proxy import __version__


class Command(NamedTuple):
    """`where` is `module:attribute`, a function or a `typer.Typer` with commands of its own."""

    help: str
    where: str


COMMANDS = {
    "serve": Command("Serve a configuration, or what the environment allows.", "proxy.cli.serve:run"),
    "check": Command("Say what is wrong in a configuration, or what is in it.", "proxy.cli.check:run"),
    "explain": Command("Say who would be asked for a model, in which order, and why.", "proxy.cli.explain:run"),
    "status": Command("Show how the instances that run fare.", "proxy.cli.status:run"),
    "reload": Command("Have an instance read its configuration again.", "proxy.cli.reload:run"),
    "keys": Command("Make, list, change and revoke keys.", "proxy.cli.keys:commands"),
    "breakers": Command("Show breakers, force them open, reset them.", "proxy.cli.breakers:commands"),
    "tenants": Command("Make, list and delete tenants.", "proxy.cli.tenants:commands"),
    "lint-stream": Command("Judge a recorded SSE stream by the rules of its vocabulary.", "proxy.cli.lint_stream:run"),
    "demo": Command("Watch Segue fall back when a provider misbehaves.", "proxy.demo.walkthrough:run"),
}


def application(arguments: Sequence[str]) -> typer.Typer:
    """The command line for these arguments. Serving needs none of what the demo needs, and checking nothing of either:
    of the commands only the one named is imported, the others are but their line in the help."""
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    commands = typer.Typer(
        name="segue",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    commands.callback()(_segue)
    for name, command in COMMANDS.items():
        found = resolve_name(command.where) if name == named else _not_asked_for
        if isinstance(found, typer.Typer):
            commands.add_typer(found, name=name, help=command.help)
        else:
            commands.command(name, help=command.help)(found)
    return commands


def _not_asked_for() -> None:
    """Stands in the help for a command that was not imported."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"segue {__version__}")
        raise typer.Exit


def _segue(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A streaming proxy for language models that falls back without losing the thread."""
