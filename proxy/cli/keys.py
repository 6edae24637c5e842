"""`segue keys`: keys and their hashes for a configuration, and keys in the store of a running instance."""

import os
import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from proxy.cli.admin_client import AdminKeyFile, AsJson, Client, Config, Url, finish, show_json
from proxy.cli.files import fail, read_text, text_of
from proxy.cli.tables import columns
from proxy.cli.tenants import Notices
from proxy.runtime import keys
from proxy.runtime.build import SHORTEST_SECRET
from proxy.runtime.document import read_document
from proxy.runtime.environment import SECRET_VARIABLE

commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_SPAN = re.compile(r"(\d{1,6})([smhd])\Z")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST = 100 * 366 * 86_400  # seconds; calendars end
_WHEN = "2027-01-31, 2027-01-31T12:00:00Z, 90d, 12h, 30m, now or never"

SecretFile = Annotated[str | None, typer.Option("--secret-file", metavar="FILE", help="It holds the secret.")]
Configuration = Annotated[
    str | None, typer.Option("-c", "--config", metavar="FILE", help="A configuration whose secret to use.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="What stands between the dashes of the key.")]
Model = Annotated[
    list[str] | None, typer.Option("--model", help="A route it may use, 'gpt-*' for several; give it repeatedly.")
]
Scope = Annotated[list[str] | None, typer.Option("--scope", help="generate, embeddings or models; give it repeatedly.")]


@commands.command(
    "new", help="Make a key for a file; it is shown once. The secret is SEGUE_SECRET unless told otherwise."
)
def make(
    tenant: Annotated[str | None, typer.Option(help="Whose key it is; default: my-team.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="A key for /admin, of no tenant.")] = False,
    secret_file: SecretFile = None,
    config: Configuration = None,
) -> None:
    if admin and tenant is not None:
        fail("give --admin or --tenant, not both: an admin key is of no tenant")
    pepper = _pepper(secret_file, config)
    minted = keys.mint(pepper)
    typer.echo(f"key, shown only now: {minted.key}\n")
    typer.echo("for the configuration:\n")
    above = "operations:\n  admin_keys:\n    " if admin else f"tenants:\n  {tenant or 'my-team'}:\n    keys:\n      "
    typer.echo(f"{above}{_entry(minted.id, minted.digest)}")


@commands.command("hash", help="The configuration's line for a key you have; read from standard input unless given.")
def hash_key(
    key: Annotated[str | None, typer.Argument(show_default=False, help="Better left out: shells remember.")] = None,
    secret_file: SecretFile = None,
    config: Configuration = None,
) -> None:
    pepper = _pepper(secret_file, config)
    if key is None:
        key = typer.prompt("key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    key = key.strip()
    parts = keys.parse(key)
    if parts is None:
        fail("that is no key of Segue's: its form or its checksum is wrong (was it copied whole?)")
    typer.echo(_entry(parts.id, keys.digest(pepper, key)))


@commands.command("list", help="All keys of a running instance, of the file and of the store.")
def show(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
    as_json: AsJson = False,
) -> None:
    query = {"tenant": tenant} if tenant is not None else None
    answer = Client(config, url, admin_key_file).ask("GET", "keys", query=query)
    if as_json:
        show_json(answer.body)
    else:
        rows = [(*_told(key).values(), key["place"] or key["held_by"]) for key in answer.body["keys"]]
        for line in columns([("id", "tenant", "state", "models", "scopes", "expires", "held by"), *rows]):
            typer.echo(line)
    finish(answer, "could not be asked")


@commands.command("create", help="Make a key in the store of a running instance; it is shown once.")
def create(
    tenant: Annotated[str, typer.Option(help="Whose key it is.")],
    model: Model = None,
    scope: Scope = None,
    expires: Annotated[str, typer.Option(metavar="WHEN", help=f"When it stops working: {_WHEN}.")] = "never",
    fallback_events: Annotated[
        Notices | None, typer.Option(help="How fallbacks are told in streams; default: as for the tenant.")
    ] = None,
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
    as_json: AsJson = False,
) -> None:
    wanted = {"tenant": tenant, "expires": _moment(expires), "fallback_events": fallback_events}
    answer = Client(config, url, admin_key_file).ask("POST", "keys", body=wanted | _rights(model, scope))
    _show_secret(answer.body, as_json)
    finish(answer)


@commands.command("expire", help="Say when a key of the store stops working.")
def expire(
    key: Id,
    at: Annotated[str, typer.Option("--at", metavar="WHEN", help=f"{_WHEN}.")],
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
) -> None:
    answer = Client(config, url, admin_key_file).ask("PATCH", "keys", _id(key), body={"expires": _moment(at)})
    _show(answer.body["key"])
    finish(answer)


@commands.command("scope", help="Say what a key of the store may do; what is not given stays as it is.")
def limit(
    key: Id,
    model: Model = None,
    all_models: Annotated[bool, typer.Option("--all-models", help="It may use every route.")] = False,
    scope: Scope = None,
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
) -> None:
    if all_models and model:
        fail("give --model or --all-models, not both")
    wanted = _rights(model, scope) | ({"models": []} if all_models else {})
    if not wanted:
        fail("say what it may do: --model, --all-models or --scope")
    answer = Client(config, url, admin_key_file).ask("PATCH", "keys", _id(key), body=wanted)
    _show(answer.body["key"])
    finish(answer)


@commands.command("rotate", help="Give a key of the store a successor with the same rights; it is shown once.")
def rotate(
    key: Id,
    overlap: Annotated[str, typer.Option(metavar="SPAN", help="How long both work: 7d, 12h, 30m, 0s.")] = "24h",
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
    as_json: AsJson = False,
) -> None:
    seconds = _seconds(overlap)
    if seconds is None:
        fail("an overlap is written like 7d, 12h, 30m or 0s")
    client = Client(config, url, admin_key_file)
    answer = client.ask("POST", "keys", _id(key), "rotate", body={"overlap_seconds": seconds})
    _show_secret(answer.body, as_json)
    if not as_json:
        typer.echo(f"\n{answer.body['predecessor']['id']} works until {answer.body['predecessor']['expires']}")
    finish(answer)


@commands.command("revoke", help="End a key for good, whether the file or the store holds it.")
def revoke(
    key: Id,
    terminate: Annotated[bool, typer.Option("--terminate", help="Also end its requests that are running.")] = False,
    config: Config = None,
    url: Url = None,
    admin_key_file: AdminKeyFile = None,
) -> None:
    query = {"terminate": str(terminate).lower()}
    answer = Client(config, url, admin_key_file).ask("POST", "keys", _id(key), "revoke", query=query)
    typer.echo(f"revoked {answer.body['id']}")
    finish(answer)


def _id(given: str) -> str:
    """Whoever has a key may give all of it: only its id is sent."""
    parts = keys.parse(given.strip())
    return parts.id if parts is not None else given


def _rights(models: list[str] | None, scopes: list[str] | None) -> dict[str, Any]:
    """What was given, for the body."""
    wanted = {"models": models, "scopes": scopes}
    return {name: value for name, value in wanted.items() if value}


def _moment(when: str) -> str | None:
    """For the body; what is neither a span nor a word is for the instance to understand."""
    seconds = 0 if when == "now" else _seconds(when)
    if seconds is None:
        return None if when == "never" else when
    return datetime.fromtimestamp(time.time() + min(seconds, _LONGEST), UTC).isoformat()


def _seconds(span: str) -> int | None:
    match = _SPAN.match(span)
    return int(match[1]) * _UNITS[match[2]] if match is not None else None


def _show_secret(body: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(body)
        return
    typer.echo(f"key, shown only now: {body['secret']}\n")
    _show(body["key"])


def _show(key: Mapping[str, Any]) -> None:
    for line in columns(list(_told(key).items())):
        typer.echo(line)


def _told(key: Mapping[str, Any]) -> dict[str, str]:
    return {
        "id": key["id"],
        "tenant": key["tenant"],
        "state": key["state"],
        "models": ", ".join(key["models"]) or "all",
        "scopes": ", ".join(key["scopes"]),
        "expires": key["expires"] or "never",
    }


def _entry(key_id: str, digest: str) -> str:
    return f'- {{id: "{key_id}", hash: "{digest}"}}'


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
