"""A token in each form that asks for something, so that a page of another site cannot have a browser send one.

Nothing is kept for it. The token is HMAC-SHA256 of what the form asks for, by a random key that the browser has in a
cookie: another site can read neither, and set no cookie of this one [OWASP, Cross-Site Request Forgery Prevention,
signed double-submit cookie]. So a form that was opened before the server was restarted, or by another one beside it, is
as good as before. `__Host-` keeps sibling domains from setting the cookie; it needs HTTPS, and on loopback, where there
is none, `Origin` is checked before the token is.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
_KEY_BYTES = 32
_SECONDS = 180 * 86_400


@dataclass(frozen=True)
class Tokens:
    """Makes and knows the tokens of one browser."""

    key: str
    is_new: bool
    over_tls: bool

    @classmethod
    def of(cls, request: Request) -> Tokens:
        """By the browser's key, or a new one."""
        proxied = request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip()
        over_tls = (proxied or request.url.scheme) == "https"
        held = request.cookies.get(_cookie(over_tls), "")
        if _KEY.fullmatch(held):
            return cls(held, is_new=False, over_tls=over_tls)
        return cls(secrets.token_urlsafe(_KEY_BYTES), is_new=True, over_tls=over_tls)

    def token(self, *of: str) -> str:
        """For what is asked for, such as a verb, a tenant and a job."""
        return hmac.new(self.key.encode(), "\n".join(of).encode(), hashlib.sha256).hexdigest()

    def knows(self, token: str, *of: str) -> bool:
        """Whether a token is for this."""
        return not self.is_new and hmac.compare_digest(token.encode(), self.token(*of).encode())

    def give(self, response: Response) -> Response:
        """Let the browser keep the key, where it has none yet."""
        if self.is_new:
            name = _cookie(self.over_tls)
            # Lax: whoever comes by a link of another site brings it, and keeps what other tabs were given.
            response.set_cookie(
                name, self.key, max_age=_SECONDS, path="/", secure=self.over_tls, httponly=True, samesite="lax"
            )
        return response


def _cookie(over_tls: bool) -> str:
    return "__Host-jobferry-forms" if over_tls else "jobferry-forms"
