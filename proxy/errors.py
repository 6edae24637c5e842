"""Every way a request can fail, drawn as a tree. What each failure means for the chain is `POLICIES`; how it looks on a
wire is each vocabulary's own table, looked up along `__mro__`.

ProxyError
├── RequestFault                the caller must change something
│   ├── Unauthenticated · PermissionDenied · UnknownModel · UnknownPath · MethodNotAllowed · UpgradeRequired
│   ├── InvalidRequest          names the field
│   │   ├── UnsupportedParameter · UnsupportedEncoding
│   ├── BodyTooLarge · RequestTimedOut · PromptTooLong · NoCapableCandidate
│   ├── ContentFiltered · Refused (the provider's 4xx that is the caller's fault)
│   └── QuotaExceeded · RateLimited (our own limits)
├── UpstreamFault               one attempt failed: `cause` decides what follows
└── ProxyFault                  our doing
    ├── ChainExhausted          AllRateLimited · AllUnavailable · ChainTimedOut · ChainFailed
    ├── StreamBroken            failed after content went out
    └── StoreUnavailable · Overloaded · Draining · InternalError
"""

from enum import StrEnum
from typing import ClassVar, NamedTuple


class Reason(StrEnum):
    """The closed set of `fallback_start.reason` (contract §2)."""

    RATE_LIMIT = "rate_limit"
    CONTEXT_OVERFLOW = "context_overflow"
    AUTH_ERROR = "auth_error"
    NETWORK_ERROR = "network_error"
    SERVER_ERROR = "server_error"
    MODEL_ERROR = "model_error"
    CIRCUIT_BREAKER = "circuit_breaker"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """What an attempt's end says about its target's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    COOL_DOWN = "cool_down"
    CREDENTIAL = "credential"
    NONE = "none"


class Next(StrEnum):
    """Whether another candidate may be tried."""

    YES = "yes"
    LARGER_WINDOW = "larger_window"
    IF_ROUTE_ALLOWS = "if_route_allows"
    NO = "no"


class Again(StrEnum):
    """Whether the same target may be asked a second time: at once after a backoff, or only as a last resort, when no
    candidate is left and the wait is short."""

    YES = "yes"
    LAST_RESORT = "last_resort"
    NO = "no"


class Cause(StrEnum):
    """Why an attempt failed: the rows of contract §7's table."""

    RATE_LIMITED = "rate_limited"
    BILLING = "billing"
    CREDENTIAL_REJECTED = "credential_rejected"
    MODEL_UNAVAILABLE = "model_unavailable"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    FOREIGN_ITEM = "foreign_item"
    SERVER_ERROR = "server_error"
    BAD_ANSWER = "bad_answer"
    CONNECT_FAILED = "connect_failed"
    TIMED_OUT = "timed_out"
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_FILTER = "content_filter"
    CALLERS_FAULT = "callers_fault"
    EMBEDDED_ERROR = "embedded_error"
    EMPTY = "empty"
    BAD_GENERATION = "bad_generation"  # the model's own doing: not a word, or nothing its provider would pass on
    TRUNCATED = "truncated"
    STALLED = "stalled"
    TOO_SLOW = "too_slow"
    MALFORMED = "malformed"
    BREAKER_OPEN = "breaker_open"
    NO_CAPACITY = "no_capacity"


class Policy(NamedTuple):
    """One row of contract §7: the reason told, whether the same target is worth a second try, who is next, and what the
    breaker learns. `detail` is told where whoever found the fault knows no finer word. `masked`: the status is the
    operator's affair and becomes 502 for the caller."""

    reason: Reason
    again: Again
    next: Next
    verdict: Verdict
    detail: str | None = None
    masked: bool = True

    @property
    def retry_same(self) -> bool:
        return self.again is Again.YES


_MODEL, _NETWORK = Reason.MODEL_ERROR, Reason.NETWORK_ERROR
POLICIES: dict[Cause, Policy] = {
    Cause.RATE_LIMITED: Policy(Reason.RATE_LIMIT, Again.LAST_RESORT, Next.YES, Verdict.COOL_DOWN),
    Cause.BILLING: Policy(Reason.AUTH_ERROR, Again.NO, Next.YES, Verdict.CREDENTIAL, "billing"),
    Cause.CREDENTIAL_REJECTED: Policy(Reason.AUTH_ERROR, Again.NO, Next.YES, Verdict.CREDENTIAL),
    Cause.MODEL_UNAVAILABLE: Policy(_MODEL, Again.NO, Next.YES, Verdict.NONE, "model_unavailable"),
    Cause.UNSUPPORTED: Policy(_MODEL, Again.NO, Next.YES, Verdict.NONE, "unsupported"),
    Cause.TOO_LARGE: Policy(_MODEL, Again.NO, Next.YES, Verdict.NONE, "too_large", masked=False),
    Cause.FOREIGN_ITEM: Policy(_MODEL, Again.NO, Next.YES, Verdict.NONE, "foreign_item"),
    Cause.SERVER_ERROR: Policy(Reason.SERVER_ERROR, Again.YES, Next.YES, Verdict.FAILURE),
    Cause.BAD_ANSWER: Policy(_MODEL, Again.YES, Next.YES, Verdict.FAILURE, "malformed"),
    Cause.CONNECT_FAILED: Policy(_NETWORK, Again.YES, Next.YES, Verdict.FAILURE, "connect"),
    Cause.TIMED_OUT: Policy(_NETWORK, Again.YES, Next.YES, Verdict.FAILURE),
    Cause.CONTEXT_OVERFLOW: Policy(Reason.CONTEXT_OVERFLOW, Again.NO, Next.LARGER_WINDOW, Verdict.NONE, masked=False),
    Cause.CONTENT_FILTER: Policy(_MODEL, Again.NO, Next.IF_ROUTE_ALLOWS, Verdict.NONE, "content_filter", masked=False),
    Cause.CALLERS_FAULT: Policy(Reason.UNKNOWN, Again.NO, Next.NO, Verdict.NONE, masked=False),
    Cause.EMBEDDED_ERROR: Policy(_MODEL, Again.YES, Next.YES, Verdict.FAILURE, "error_event"),
    Cause.EMPTY: Policy(_MODEL, Again.YES, Next.YES, Verdict.FAILURE, "empty_response"),
    Cause.BAD_GENERATION: Policy(_MODEL, Again.YES, Next.YES, Verdict.NONE, "bad_generation"),
    Cause.TRUNCATED: Policy(_NETWORK, Again.YES, Next.YES, Verdict.FAILURE, "truncated"),
    Cause.STALLED: Policy(_NETWORK, Again.YES, Next.YES, Verdict.FAILURE, "stream_stalled"),
    Cause.TOO_SLOW: Policy(_NETWORK, Again.NO, Next.YES, Verdict.FAILURE, "too_slow"),
    Cause.MALFORMED: Policy(_MODEL, Again.YES, Next.YES, Verdict.FAILURE, "malformed"),
    Cause.BREAKER_OPEN: Policy(Reason.CIRCUIT_BREAKER, Again.LAST_RESORT, Next.YES, Verdict.NONE, "breaker_open"),
    Cause.NO_CAPACITY: Policy(Reason.CIRCUIT_BREAKER, Again.LAST_RESORT, Next.YES, Verdict.NONE, "concurrency_limit"),
}


class ProxyError(Exception):
    """Something the caller is told about.

    `message` is for the caller and already scrubbed; `param` names the field at fault; `retry_after` is in seconds;
    `detail` is the finer word of contract §2.
    """

    status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = None, detail: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.detail = detail


class RequestFault(ProxyError):
    """The same request would fail at every candidate."""

    status = 400


class Unauthenticated(RequestFault):
    status = 401


class PermissionDenied(RequestFault):
    status = 403


class UnknownModel(RequestFault):
    status = 404


class UnknownPath(RequestFault):
    status = 404


class MethodNotAllowed(RequestFault):
    """`allowed` is the value of the `allow` header."""

    status = 405

    def __init__(self, message: str, *, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class UpgradeRequired(RequestFault):
    status = 426


class InvalidRequest(RequestFault):
    """A field is wrong: `param` names it, `code` is the vocabulary's word for how."""

    code: ClassVar[str] = "invalid_value"


class MissingParameter(InvalidRequest):
    code = "missing_required_parameter"


class InvalidType(InvalidRequest):
    code = "invalid_type"


class InvalidJson(InvalidRequest):
    code = "invalid_json"


class UnsupportedParameter(InvalidRequest):
    code = "unsupported_parameter"


class UnsupportedEncoding(InvalidRequest):
    status = 415
    code = "unsupported_encoding"


class BodyTooLarge(RequestFault):
    status = 413


class RequestTimedOut(RequestFault):
    """The request's own body did not arrive in time."""

    status = 408


class PromptTooLong(RequestFault):
    """The prompt fits no candidate's window; `tokens` and `maximum` are None where the provider did not say."""

    def __init__(self, message: str, *, tokens: int | None = None, maximum: int | None = None) -> None:
        super().__init__(message)
        self.tokens = tokens
        self.maximum = maximum


class NoCapableCandidate(RequestFault):
    """Candidates exist, but none can do what the request asks; `param` names the feature."""


class ContentFiltered(RequestFault):
    """The provider's content filter refused the prompt, and the route does not try others for that."""


class Refused(RequestFault):
    """The provider's own 4xx, passed on scrubbed because the request itself is at fault."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.refused_status = status
        self.code = code


class QuotaExceeded(RequestFault):
    """A day or month quota, or credits. `scope` is the `quota_scope` of contract §6."""

    status = 429

    def __init__(self, message: str, *, scope: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.scope = scope


class RateLimited(QuotaExceeded):
    """Our own per-minute or concurrency limit."""


class UpstreamFault(ProxyError):
    """One attempt failed. Never shown as it is: the chain moves on, or `exhausted` turns it into what the caller sees.

    `upstream_status` is the provider's HTTP status, if there was one; `retry_after` its Retry-After in seconds.
    `blames_target` is False where the caller's own haste was the cause: then it says nothing of the target's health.
    """

    status = 502

    def __init__(
        self,
        cause: Cause,
        message: str,
        *,
        detail: str | None = None,
        upstream_status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        blames_target: bool = True,
    ) -> None:
        self.policy = POLICIES[cause]
        super().__init__(message, param=param, retry_after=retry_after, detail=detail or self.policy.detail)
        self.cause = cause
        self.blames_target = blames_target
        self.upstream_status = upstream_status
        self.code = code

    @property
    def verdict(self) -> Verdict:
        """What the target's breaker learns."""
        return self.policy.verdict if self.blames_target else Verdict.NONE


class ProxyFault(ProxyError):
    """Nothing the caller did."""


class ChainExhausted(ProxyFault):
    """No candidate is left. Subclasses by what the attempts had in common."""

    status = 502


class AllRateLimited(ChainExhausted):
    status = 429


class AllUnavailable(ChainExhausted):
    status = 503


class ChainTimedOut(ChainExhausted):
    status = 504


class ChainFailed(ChainExhausted):
    status = 502


class TooLargeEverywhere(ChainExhausted):
    """The last candidate refused the body's size: 413 keeps its meaning."""

    status = 413


class StreamBroken(ProxyFault):
    """The answer broke after content had been sent; only an in-stream failure can say so."""

    status = 502


class StreamRateLimited(StreamBroken):
    status = 429


class StreamTimedOut(StreamBroken):
    status = 504


class StoreUnavailable(ProxyFault):
    status = 503


class Overloaded(ProxyFault):
    """Turned away unread: there is more to do already than can be done well."""

    status = 503


class Draining(ProxyFault):
    status = 503


class InternalError(ProxyFault):
    status = 500


def http_status(error: ProxyError) -> int:
    """The HTTP status OpenAI's vocabularies use for `error`; other vocabularies override single rows."""
    return error.refused_status if isinstance(error, Refused) else error.status
