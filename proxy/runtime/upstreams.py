"""From what the file says of providers: whom a target asks, where, and with what."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from proxy.canonical.origin import Origins, Seal
from proxy.providers.catalog import PROVIDERS
from proxy.providers.provider import Provider
from proxy.runtime.problems import Path, Problems, listed, suggestion
from proxy.runtime.spec_upstreams import ProviderSpec, QuirksSpec
from proxy.wire.parameters import NAMES
from proxy.wire.quirks import Quirks

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
# These belong to the connection or to the body.
_OWN_HEADERS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"}
)

# Quirks in which null says something of its own.
_MAY_BE_NULL = frozenset(
    {
        "call_id_length",
        "call_id_alphabet",
        "required_tool_choice",
        "stop_maximum",
        "thinking",
        "thinking_off",
        "efforts",
        "prefill",
        "prefill_path",
    }
)


class Connection(NamedTuple):
    """One entry of `providers`, resolved. `name` is the entry's and labels the credential."""

    name: str
    provider: Provider
    base_url: str
    headers: tuple[tuple[str, str], ...]
    seal: Seal
    vocabulary: str
    quirks: QuirksSpec

    def adjusted(self, quirks: Quirks, output_maximum: int | None) -> Quirks:
        """With the single quirks the file overrides, and the output limit it gives the candidate."""
        given = {name: getattr(self.quirks, name) for name in self.quirks.model_fields_set}
        if output_maximum is not None:
            given["output_maximum"] = output_maximum
        return replace(quirks, **given)


def connections(specs: Mapping[str, ProviderSpec], origins: Origins, problems: Problems) -> dict[str, Connection]:
    """By name, only those without a mistake."""
    found = {}
    for name, spec in specs.items():
        before = len(problems.found)
        connection = _connection(name, spec, origins, problems)
        if connection is not None and len(problems.found) == before:
            found[name] = connection
    return found


def _connection(name: str, spec: ProviderSpec, origins: Origins, problems: Problems) -> Connection | None:
    path: Path = ("providers", name)
    provider = PROVIDERS.get(spec.type or name)
    if provider is None:
        known = f"types: {', '.join(PROVIDERS)}"
        problems.add(
            (*path, "type") if spec.type else path,
            f"unknown provider type '{spec.type or name}'",
            f"{suggestion(spec.type or name, PROVIDERS, 'set type to one that exists')} ({known})",
        )
        return None
    _check_quirks(spec.quirks, (*path, "quirks"), problems)
    key = spec.api_key.get_secret_value() if spec.api_key else ""
    _check_key(key, spec, provider, path, problems)
    base_url = spec.base_url or provider.base_url
    if base_url is None:
        problems.add(path, "'base_url' is missing, and only you know it", "add 'base_url: https://…'")
    else:
        _check_url(base_url, (*path, "base_url"), problems)
    if spec.vocabulary is not None and provider.endpoint(spec.vocabulary) is None:
        blame_vocabulary(spec.vocabulary, provider, (*path, "vocabulary"), problems)
    return Connection(
        name,
        provider,
        (base_url or "").rstrip("/"),
        _headers(spec, provider, key, path, problems),
        Seal(origins, origins.origin(provider.name, f"{name}\x00{key}")),
        spec.vocabulary or provider.vocabulary,
        spec.quirks,
    )


def blame_vocabulary(wrong: str, provider: Provider, path: Path, problems: Problems) -> None:
    problems.add(
        path,
        f"a provider of type '{provider.name}' does not speak '{wrong}'",
        suggestion(wrong, provider.vocabularies, f"choose from: {listed(provider.vocabularies)}"),
    )


def _check_key(key: str, spec: ProviderSpec, provider: Provider, path: Path, problems: Problems) -> None:
    elsewhere = spec.base_url is not None and provider.base_url is not None
    if not key and provider.environment_key and not provider.is_local and not elsewhere:
        problems.add(
            path if spec.api_key is None else (*path, "api_key"),
            "'api_key' is missing" if spec.api_key is None else "'api_key' is empty",
            f"write 'api_key: ${{{provider.environment_key}}}' and set that variable",
        )
    elif not (key.isascii() and key.isprintable()) or " " in key:
        problems.add(
            (*path, "api_key"), "'api_key' holds characters no key has", "copy the key again, without spaces around"
        )


def _check_url(url: str, path: Path, problems: Problems) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        problems.add(path, "not an http or https address", "write it whole, like 'https://HOST/v1'")
    elif parts.username is not None or parts.password is not None:
        problems.add(path, "an address must not hold credentials", "move the key to 'api_key'")
    elif parts.query or parts.fragment:
        problems.add(path, "an address must end with its path", "leave out what follows '?' or '#'")


def _headers(
    spec: ProviderSpec, provider: Provider, key: str, path: Path, problems: Problems
) -> tuple[tuple[str, str], ...]:
    headers = {**dict(provider.headers), **provider.auth.headers(key)}
    for name, value in spec.headers.items():
        place = (*path, "headers", name)
        if name.lower() in _OWN_HEADERS:
            problems.add(place, f"the header '{name}' is set by Segue itself", "remove it")
        elif not _HEADER_NAME.match(name) or not (value.isascii() and value.isprintable()):
            problems.add(
                place, f"'{name}' is no header that can be sent", "use a plain name and one line of ASCII text"
            )
        headers[name.lower()] = value
    return tuple(headers.items())


def _check_quirks(quirks: QuirksSpec, path: Path, problems: Problems) -> None:
    for name in sorted((quirks.drop_parameters or frozenset()) - NAMES):
        remedy = suggestion(name, NAMES, "see docs/parameters.md for the names")
        problems.add((*path, "drop_parameters"), f"unknown parameter '{name}'", remedy)
    for name in sorted(quirks.model_fields_set - _MAY_BE_NULL):
        if getattr(quirks, name) is None:
            problems.add((*path, name), f"'{name}' cannot be null", "leave it out, or give a value")
