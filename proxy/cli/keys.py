"""`segue keys`: tenant keys, and the hashes that go into the configuration in their place."""

import os
import secrets
import string
import sys
from typing import Annotated

import typer

from proxy.cli.files import fail, read_text, text_of
from proxy.runtime import keys
from proxy.runtime.build import SHORTEST_SECRET
from proxy.runtime.document import read_document
from proxy.runtime.environment import SECRET_VARIABLE

commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_ID_ALPHABET = string.digits + string.ascii_lowercase
_SECRET_ALPHABET = string.digits + string.ascii_letters

SecretFile = Annotated[str | None, typer.Option("--secret-file", help="A file that holds the secret.")]
Configuration = Annotated[str | None, typer.Option("-c", "--config", help="A configuration whose secret to use.")]


@commands.command("new", help="Make a key; it is shown once. The secret comes from SEGUE_SECRET unless told otherwise.")
def make(
    tenant: Annotated[str, typer.Option(help="Whose key it is.")] = "my-team",
    secret_file: SecretFile = None,
    config: Configuration = None,
) -> None:
    pepper = _pepper(secret_file, config)
    key = keys.compose(_random(_ID_ALPHABET, 8), _random(_SECRET_ALPHABET, 32))
    typer.echo(f"key, shown only now: {key}\n")
    typer.echo("for the configuration:\n")
    typer.echo(f"tenants:\n  {tenant}:\n    keys:\n      {_entry(pepper, key)}")


@commands.command("hash", help="The configuration's line for a key you have; read from standard input unless given.")
def hash_key(
    key: Annotated[str | None, typer.Argument(show_default=False, help="Better left out: shells remember.")] = None,
    secret_file: SecretFile = None,
    config: Configuration = None,
) -> None:
    pepper = _pepper(secret_file, config)
    if key is None:
        key = typer.prompt("key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    typer.echo(_entry(pepper, key.strip()))


def _entry(pepper: bytes, key: str) -> str:
    parts = keys.parse(key)
    if parts is None:
        fail("that is no key of Segue's: its form or its checksum is wrong (was it copied whole?)")
    return f'- {{id: "{parts.id}", hash: "{keys.digest(pepper, key)}"}}'


def _pepper(secret_file: str | None, config: str | None) -> bytes:
    if secret_file and config:
        fail("give --secret-file or --config, not both")
    if secret_file:
        secret = text_of(secret_file).strip()
    elif config:
        secret = _configured(config)
    else:
        secret = os.environ.get(SECRET_VARIABLE, "")
    if not secret:
        fail(
            f"there is no secret to hash with: set {SECRET_VARIABLE} (openssl rand -hex 32), "
            "or use --secret-file or --config"
        )
    if len(secret) < SHORTEST_SECRET:
        fail(f"the secret is shorter than {SHORTEST_SECRET} characters: make one with 'openssl rand -hex 32'")
    return secret.encode()


def _configured(path: str) -> str:
    """The secret alone: the rest of the file may still be unfinished."""
    document = read_document(text_of(path), os.environ, read_text)
    for problem in document.problems:
        if problem.path in ((), ("secret",)):
            fail(f"{path}:{problem.line}: {problem}")
    secret = document.values.get("secret")
    return secret if isinstance(secret, str) else ""


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
