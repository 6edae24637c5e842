"""The configuration a command was given, and its mistakes as lines of a terminal."""

import os

from proxy.cli.files import read_text, text_of
from proxy.runtime.build import Configuration, load
from proxy.runtime.problems import ConfigurationError


def load_file(path: str) -> Configuration:
    """Raises ConfigurationError; ends the command if the file cannot be read."""
    return load(text_of(path), os.environ, read_text)


def mistakes(error: ConfigurationError, path: str) -> str:
    """A line `FILE:LINE: place: what is wrong — what to do` for each."""
    return "\n".join(f"{path}:{problem.line or 1}: {problem}" for problem in error.problems)
