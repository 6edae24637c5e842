"""What a provider is: its address, its way of authenticating, the vocabularies it speaks and how. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from proxy.wire.quirks import STANDARD, Quirks


class Auth(Enum):
    """The header that carries the provider's key; the value is the header's name."""

    BEARER = "authorization"  # authorization: Bearer KEY
    X_API_KEY = "x-api-key"  # x-api-key: KEY
    API_KEY = "api-key"  # api-key: KEY
    NONE = ""

    def headers(self, key: str | None) -> dict[str, str]:
        """The header for this key; none when the scheme needs none or no key is configured."""
        if self is Auth.NONE or not key:
            return {}
        return {self.value: f"Bearer {key}" if self is Auth.BEARER else key}


class Operation(Enum):
    """What is asked of a provider beside generation."""

    MODELS = "models"
    EMBEDDINGS = "embeddings"
    COMPLETIONS = "completions"
    COUNT_TOKENS = "count_tokens"
    INPUT_TOKENS = "input_tokens"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to generate: a vocabulary, the path relative to the base URL, and what deviates there."""

    vocabulary: str
    path: str
    quirks: Quirks = STANDARD


@dataclass(frozen=True, slots=True)
class Provider:
    """One organisation's endpoints. Invariant: at least one endpoint; the first is the preferred one.

    ``base_url`` is None where only the configuration can know it. ``default_models`` are (flagship, small), used when
    routes are built from keys in the environment; empty where the models are whatever the operator runs.
    """

    name: str
    base_url: str | None
    endpoints: tuple[Endpoint, ...]
    auth: Auth = Auth.BEARER
    environment_key: str | None = None
    default_models: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  # sent with every request, lower-case names
    models_path: str | None = "/models"
    embeddings_path: str | None = None
    completions_path: str | None = None
    count_tokens_path: str | None = None
    input_tokens_path: str | None = None
    is_local: bool = False  # runs on the operator's machine: plain http, usually no key
    documentation: tuple[str, ...] = ()  # where the facts were read

    @property
    def vocabulary(self) -> str:
        """The preferred vocabulary."""
        return self.endpoints[0].vocabulary

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """Every vocabulary spoken, preferred first."""
        return tuple(endpoint.vocabulary for endpoint in self.endpoints)

    def endpoint(self, vocabulary: str | None = None) -> Endpoint | None:
        """The endpoint for a vocabulary (None = the preferred one); None if it is not spoken."""
        if vocabulary is None:
            return self.endpoints[0]
        return next((endpoint for endpoint in self.endpoints if endpoint.vocabulary == vocabulary), None)

    def operations(self) -> Mapping[Operation, str]:
        """Operation -> path relative to the base URL, only those the provider offers."""
        paths = {
            Operation.MODELS: self.models_path,
            Operation.EMBEDDINGS: self.embeddings_path,
            Operation.COMPLETIONS: self.completions_path,
            Operation.COUNT_TOKENS: self.count_tokens_path,
            Operation.INPUT_TOKENS: self.input_tokens_path,
        }
        return {operation: path for operation, path in paths.items() if path is not None}
