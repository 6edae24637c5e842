"""`segue reload`: what SIGHUP does, and what came of it."""

import typer

from proxy.cli.admin_client import AdminKeyFile, Client, Config, Url, finish


def run(config: Config = None, url: Url = None, admin_key_file: AdminKeyFile = None) -> None:
    answer = Client(config, url, admin_key_file).ask("POST", "reload")
    typer.echo(f"configuration {answer.body['number']} is in force")
    if answer.body["waiting"]:
        typer.echo(f"changed, but not before the next start: {', '.join(answer.body['waiting'])}")
    finish(answer)
