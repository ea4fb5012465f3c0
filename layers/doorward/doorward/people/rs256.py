"""Whether a signature is true: RSASSA-PKCS1-v1_5 with SHA-256, the `RS256` of tokens, and nothing else.

Verifying, other than signing, knows no secret: it is one power of integers and one comparison, whose time tells nobody anything. What has
gone wrong with it elsewhere is reading the padding leniently. Here nothing is read: what the signature's power must be is made, whole, and
compared (section 8.2.2 of the RFC, the method that its note prefers). Why no library: docs/adr/0080-who-somebody-is.md.

https://datatracker.ietf.org/doc/html/rfc8017#section-8.2.2 · https://datatracker.ietf.org/doc/html/rfc7518#section-3.3
"""

from hashlib import sha256
from typing import Final

from doorward.values import NamedTuple

# https://datatracker.ietf.org/doc/html/rfc7518#section-3.3 asks for 2048 bits; four times as many is the most that issuers use, and cheap.
_SIZES: Final = range(2048, 8193)
_EXPONENT: Final = 65537
"""What every issuer uses. A small one has helped to forge signatures where padding was read leniently."""
# https://datatracker.ietf.org/doc/html/rfc8017#section-9.2, note 1
_DIGEST_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")


class PublicKey(NamedTuple):
    """`modulus` is odd and of 2048 to 8192 bits: `usable` says."""

    modulus: int
    exponent: int

    @property
    def usable(self) -> bool:
        return self.modulus.bit_length() in _SIZES and self.modulus % 2 == 1 and self.exponent == _EXPONENT


def verifies(message: bytes, signature: bytes, key: PublicKey) -> bool:
    """1. the key is usable; 2. the signature is as long as the modulus; 3. it is less than it; 4. its power is what it must be."""
    length = (key.modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature)
    if not key.usable or len(signature) != length or number >= key.modulus:
        return False
    digest = _DIGEST_INFO + sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (length - 3 - len(digest)) + b"\x00" + digest
    return pow(number, key.exponent, key.modulus).to_bytes(length) == expected
