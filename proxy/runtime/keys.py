"""Tenant keys: `sg-<id>-<secret><checksum>`. Only HMAC-SHA256(pepper, key) is ever stored (contract §9)."""

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

_FORM = re.compile(r"sg-([0-9a-z]{8})-([0-9A-Za-z]{32})([0-9A-Za-z]{6})\Z")
_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class KeyParts(NamedTuple):
    id: str
    secret: str


class Minted(NamedTuple):
    """A key just made. `key` is for its owner's eyes alone and is never shown again; `digest` is what is kept."""

    id: str
    key: str
    digest: str

    def __repr__(self) -> str:
        return f"Minted(id={self.id!r})"


def mint(pepper: bytes) -> Minted:
    """A key nobody has had before."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(8))
    key = compose(key_id, "".join(secrets.choice(_ALPHABET) for _ in range(32)))
    return Minted(key_id, key, digest(pepper, key))


def compose(key_id: str, secret: str) -> str:
    """The key. `key_id`: 8 characters of 0-9a-z; `secret`: 32 alphanumerics."""
    return f"sg-{key_id}-{secret}{_checksum(key_id, secret)}"


def parse(key: str) -> KeyParts | None:
    """The parts of a well-formed key; None if its form or checksum is wrong (a typo, not a wrong key)."""
    match = _FORM.match(key)
    if match is None or _checksum(match[1], match[2]) != match[3]:
        return None
    return KeyParts(match[1], match[2])


def digest(pepper: bytes, key: str) -> str:
    """What is stored: 64 hexadecimal digits."""
    return hmac.digest(pepper, key.encode(), "sha256").hex()


def _checksum(key_id: str, secret: str) -> str:
    number = int.from_bytes(hashlib.sha256(f"{key_id}-{secret}".encode()).digest()[:8], "big")
    out = []
    for _ in range(6):
        number, digit = divmod(number, 62)
        out.append(_ALPHABET[digit])
    return "".join(out)
