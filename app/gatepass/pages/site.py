"""One surface's pages: rendered with the headers that keep them safe, known by one cookie, their forms checked.

Every page forbids all that it does not bring itself: scripts and styles run by a nonce that is new each time, nothing
is loaded from elsewhere, nothing frames it, nothing keeps a copy. A form is taken from our own pages only: its token is
a MAC over the visitor's cookie, and a browser that says where the form came from has to say "here" (OWASP CSRF
Prevention Cheat Sheet: signed double submit, with Fetch Metadata and Origin in front).
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import Headers

from gatepass.core.errors import Refusal
from gatepass.core.explain import span
from gatepass.core.mint import Mint
from gatepass.core.server_secret import SealBroken, ServerSecret
from gatepass.pages import charts, forms, words
from gatepass.pages.assets import address_of
from gatepass.pages.cookies import LENGTH, Cookie
from gatepass.pages.forms import Form
from gatepass.pages.icons import icon
from gatepass.wiring import Runtime, runtime_of

_FLASH_LIFE = 60
"""Seconds that a word for the next page waits for it."""
_FLASH_PURPOSE = "page-flash"
_CSRF_PURPOSE = "page-csrf"
_NONCES = Mint()
_HTMX = json.dumps({"includeIndicatorCSS": False, "history": False, "mode": "same-origin", "extensions": "none"})


class ForeignForm(Refusal):
    """A form that did not come from the page it says, or whose page was shown to another visitor."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser: the value of its cookie, new if it brought none. *token* goes into its forms."""

    value: str = field(repr=False)
    token: str = field(repr=False)
    is_new: bool


class Site:
    """The pages of the surface in *package*, whose templates stand before the kit's; its cookie is called *purpose*."""

    def __init__(self, package: str, purpose: str) -> None:
        self.purpose = purpose
        self.environment = Environment(
            loader=ChoiceLoader([PackageLoader(package), PackageLoader("gatepass.pages")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.filters |= {"when": words.when, "ago": words.ago, "many": words.many, "span": span}
        self.environment.filters |= {"day_name": charts.day_name, "iso_day": charts.iso_day}
        self.environment.globals |= {"asset": address_of, "icon": icon, "htmx_config": _HTMX}

    # Who is there.

    def cookie(self, runtime: Runtime) -> Cookie:
        """This surface's cookie, as the server's public URL allows it to be."""
        return Cookie(self.purpose, runtime.settings.public_url)

    def visitor(self, request: Request) -> Visitor:
        """The browser that sent *request*: the same for the whole of it."""
        known: Visitor | None = getattr(request.state, "visitor", None)
        if known is None:
            runtime = runtime_of(request)
            value = self.cookie(runtime).read(request)
            is_new = value is None
            value = value or self.new_value()
            request.state.visitor = known = Visitor(value, _token(runtime.secret, self.purpose, value), is_new)
        return known

    def new_value(self) -> str:
        """A cookie value that nobody has. Whoever signs in gets one."""
        return _NONCES.alphanumeric(LENGTH)

    # What they send.

    async def form(self, request: Request) -> Form:
        """The form that came with *request*, if it came from a page of ours, shown to this visitor.

        Raises ForeignForm, PayloadTooLarge, InputRefused.
        """
        runtime = runtime_of(request)
        _see_that_it_is_ours(request.headers, runtime.settings.public_url)
        form = await forms.read(request)
        value = self.cookie(runtime).read(request)
        if value is None or not _is_token(runtime.secret, self.purpose, value, form.get("csrf", "")):
            raise ForeignForm("no token of this visitor")
        return form

    # What they get.

    def render(self, request: Request, template: str, status: int = 200, **given: Any) -> Response:
        """*template* as the answer. A visitor without a cookie gets one; what was to be said once is said.

        *given*: what the template works with, and `frames` for a page that shows another of ours in itself.
        """
        visitor, runtime = self.visitor(request), runtime_of(request)
        said = self._flash(request, runtime)
        answer = self._answer(
            template,
            status,
            csrf=Markup('<input type="hidden" name="csrf" value="{}">').format(visitor.token),
            said=said,
            now=runtime.clock.now(),
            path=request.scope["path"],
            **given,
        )
        if visitor.is_new:
            self.cookie(runtime).write(answer, visitor.value)
        if said is not None:
            self._flash_cookie(runtime).clear(answer)
        return answer

    def render_bare(self, template: str, status: int, **given: Any) -> Response:
        """*template* for whoever it may be: without forms, for refusals, which know of no request."""
        return self._answer(template, status, csrf="", said=None, path="", **given)

    def _answer(self, template: str, status: int, *, frames: bool = False, **given: Any) -> Response:
        nonce = _NONCES.alphanumeric(22)
        html = self.environment.get_template(template).render(nonce=nonce, **given)
        return Response(html, status, security_headers(nonce, frames=frames), "text/html; charset=utf-8")

    def see_other(self, request: Request, path: str, said: str = "") -> Response:
        """Go on at *path*, a path of ours; there it says *said*, once."""
        answer = Response(status_code=303, headers={"location": path, "cache-control": "no-store"})
        if said:
            runtime = runtime_of(request)
            sealed = base64.urlsafe_b64encode(runtime.secret.seal(_FLASH_PURPOSE, said[:300].encode())).decode()
            self._flash_cookie(runtime).write(answer, sealed, max_age=_FLASH_LIFE)
        return answer

    def _flash_cookie(self, runtime: Runtime) -> Cookie:
        return Cookie(f"{self.purpose}-said", runtime.settings.public_url)

    def _flash(self, request: Request, runtime: Runtime) -> str | None:
        sealed = request.cookies.get(self._flash_cookie(runtime).name)
        if sealed is None:
            return None
        try:
            return runtime.secret.open(_FLASH_PURPOSE, base64.urlsafe_b64decode(sealed)).decode()
        except (SealBroken, ValueError):
            return None


def security_headers(nonce: str, *, frames: bool = False) -> dict[str, str]:
    """What a page may do: run and look as the elements with *nonce* say, and talk to us; with *frames*, show in itself
    what is ours. Nothing else.
    """
    policy = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        f"style-src 'nonce-{nonce}'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        *(["frame-src 'self'"] if frames else []),
    )
    return {
        "cache-control": "no-store",
        "content-security-policy": "; ".join(policy),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def own_path(path: str, below: str) -> str:
    """*path* if it leads to a page of ours below *below*, else *below*: what to go on at is never taken on trust."""
    ours = path == below or path.startswith((f"{below}/", f"{below}?"))
    return path if ours and path.isascii() and path.isprintable() and "\\" not in path else below


def _token(secret: ServerSecret, purpose: str, value: str) -> str:
    return base64.urlsafe_b64encode(secret.mac(_CSRF_PURPOSE, f"{purpose}|{value}".encode())).decode().rstrip("=")


def _is_token(secret: ServerSecret, purpose: str, value: str, presented: str) -> bool:
    """Whether *presented* is the token of that visitor under any listed secret: a rolling change spoils no form."""
    try:
        mac = base64.urlsafe_b64decode(presented + "=" * (-len(presented) % 4))
    except ValueError:
        return False
    return len(mac) == 32 and secret.verifies(_CSRF_PURPOSE, f"{purpose}|{value}".encode(), mac)


def _see_that_it_is_ours(headers: Headers, public_url: str) -> None:
    """Believe a browser that says where a form comes from. Raises ForeignForm."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        raise ForeignForm("from another site")
    if origin is None:
        return
    named = urlsplit(origin)
    ours = (urlsplit(public_url).netloc, headers.get("host", ""))
    if not any(hmac.compare_digest(named.netloc.encode(), netloc.encode()) for netloc in ours if netloc):
        raise ForeignForm("from another origin")
