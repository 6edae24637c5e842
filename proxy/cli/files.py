"""Reading what the user named, and saying in one line why that is impossible."""

import sys
from pathlib import Path
from typing import NoReturn

import typer

STANDARD_INPUT = "-"


def fail(message: str) -> NoReturn:
    """One line on standard error and exit status 2."""
    typer.echo(f"segue: {message}", err=True)
    raise typer.Exit(2)


def read_text(path: str) -> str:
    """Raises OSError or UnicodeDecodeError."""
    return Path(path).expanduser().read_text("utf-8")


def text_of(path: str) -> str:
    try:
        return read_text(path)
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"cannot read {path}: it is not UTF-8 text")


def bytes_of(path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).expanduser().read_bytes()
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror}")
