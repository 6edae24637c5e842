"""`segue lint-stream`: the conformance checker, for streams somebody recorded."""

from typing import Annotated

import typer

from proxy.cli.files import bytes_of, fail
from proxy.conformance.lint import VOCABULARIES, lint


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The body of an SSE answer; - reads standard input.")],
    vocabulary: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(VOCABULARIES)}; otherwise told by the frames.")
    ] = None,
    upstream: Annotated[
        bool, typer.Option("--upstream", help="It is a provider's own stream: leave out what only Segue owes.")
    ] = False,
) -> None:
    if vocabulary is not None and vocabulary not in VOCABULARIES:
        fail(f"unknown vocabulary '{vocabulary}', choose from: {', '.join(VOCABULARIES)}")
    report = lint(bytes_of(file), vocabulary, ours=not upstream)
    for violation in report.violations:
        typer.echo(f"{file}:{violation.line}: frame {violation.frame}: {violation.rule}: {violation.message}")
    verdict = "conforms" if report.ok else f"{len(report.violations)} violations"
    typer.echo(
        f"{report.vocabulary or 'unknown vocabulary'}: {report.frames} frames, ends in {report.terminal}: {verdict}"
    )
    if not report.ok:
        raise typer.Exit(1)
