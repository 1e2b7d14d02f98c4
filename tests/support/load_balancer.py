"""A load balancer that signs people in: its keys, and the tokens that it adds to requests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LOAD_BALANCER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/jobs/50dc6c495c0c9188"
ISSUER, CLIENT = "https://idp.example.com", "jobferry-page"
KEY_ID = "12345678-1234-1234-1234-123456789012"
EXPIRES = 4_000_000_000
CLAIMS: Mapping[str, Any] = {"sub": "00u1", "email": "ada@example.com", "name": "Ada"}


@dataclass(frozen=True)
class LoadBalancer:
    """One that has a key of its own."""

    private: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    @property
    def pem(self) -> bytes:
        """Its public key, as it is fetched."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, claims: Mapping[str, Any] = CLAIMS, **changed: Any) -> str:
        """A token as it signs one, or with a header that is changed.

        Its parts keep their padding, unlike those of other tokens [Elastic Load Balancing guide,
        listener-authenticate-users].
        """
        said = {"alg": "ES256", "kid": KEY_ID, "typ": "JWT", "signer": LOAD_BALANCER, "iss": ISSUER, "client": CLIENT}
        signed = f"{encoded({**said, 'exp': EXPIRES, **changed})}.{encoded(claims)}"
        r, s = decode_dss_signature(self.private.sign(signed.encode(), ECDSA(hashes.SHA256())))
        return f"{signed}.{base64.urlsafe_b64encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big')).decode()}"


def encoded(part: Mapping[str, Any]) -> str:
    """A part of a token, with its padding."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode()
