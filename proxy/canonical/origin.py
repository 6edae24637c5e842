"""Origin tags on opaque reasoning (encrypted content, signatures): authenticated, so that material returns only to the
target family and credential that issued it, and is never forged.

Form: `sg1.<origin>.<form>.<mac>.<payload>`; origin and mac are URL-safe base64 of 9 and 12 bytes.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import NamedTuple

_PREFIX = "sg1."


class Material(NamedTuple):
    """What a tag said. `form` is the issuing vocabulary's word for what it is (signature, redacted, encrypted)."""

    origin: str
    form: str
    payload: str


class Origins:
    """Writes and checks tags with one secret (at least 16 bytes)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"segue origin tags", "sha256")

    def origin(self, family: str, credential: str) -> str:
        """The public name of a target family + credential: 12 characters that tell nothing of either."""
        mac = hmac.digest(self._secret, f"{family}\x00{credential}".encode(), "sha256")
        return urlsafe_b64encode(mac[:9]).decode()

    def tag(self, origin: str, form: str, payload: str) -> str:
        return f"{_PREFIX}{origin}.{form}.{self._mac(origin, form, payload)}.{payload}"

    def read(self, tagged: str) -> Material | None:
        """The material of a genuine tag; None for anything else (`is_tagged` tells forged from untagged)."""
        parts = tagged.split(".", 4)
        if len(parts) != 5 or parts[0] != "sg1":
            return None
        _, origin, form, mac, payload = parts
        genuine = hmac.compare_digest(_bytes(mac), _bytes(self._mac(origin, form, payload)))
        return Material(origin, form, payload) if genuine else None

    def _mac(self, origin: str, form: str, payload: str) -> str:
        payload_digest = hashlib.sha256(_bytes(payload)).digest()
        mac = hmac.digest(self._secret, b"\x00".join([_bytes(origin), _bytes(form), payload_digest]), "sha256")
        return urlsafe_b64encode(mac[:12]).decode()


def is_tagged(text: str) -> bool:
    return text.startswith(_PREFIX)


def origin_claimed(text: str) -> str | None:
    """The origin a tag names, be it genuine or forged: enough to decide whom to ask first, not whom to give it to. None
    if there is no tag."""
    return text.split(".", 2)[1] if is_tagged(text) else None


def _bytes(text: str) -> bytes:
    """Of anything a client may send: what is forged need not be text at all."""
    return text.encode("utf-8", "surrogatepass")


class Seal(NamedTuple):
    """One target's side of `Origins`: what its decoder tags with and its request writer opens with."""

    origins: Origins
    origin: str
    takes_untagged: bool = True  # only the first candidate is given material nobody tagged

    def close(self, form: str, payload: str) -> str:
        return self.origins.tag(self.origin, form, payload)

    def open(self, text: str) -> Material | None:
        """The material if this target may have it, else None: foreign, forged, or untagged and not the first."""
        if not is_tagged(text):
            return Material(self.origin, "", text) if self.takes_untagged else None
        material = self.origins.read(text)
        return material if material and material.origin == self.origin else None
