"""A framed mail looks as it would, and can do nothing else."""

from __future__ import annotations

import base64
import hashlib

from gatepass.pages.mail import framed


def policy_of(html: str) -> dict[str, str]:
    answer = framed(html)
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    directives = answer.headers["content-security-policy"].split("; ")
    return {name: rest for name, _, rest in (directive.partition(" ") for directive in directives)}


def digest(style: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def test_each_style_in_the_mail_is_let_through_by_its_digest_and_no_other() -> None:
    html = (
        "<style>p { color: red }</style><p style=\"font-family: 'A &amp; B'\">x</p><p style='color: blue'>style=y</p>"
    )
    wanted = ("p { color: red }", "font-family: 'A & B'", "color: blue")
    assert set(policy_of(html)["style-src"].split()) == {"'unsafe-hashes'", *map(digest, wanted)}


def test_nothing_else_is_let_through() -> None:
    policy = policy_of("<script>alert(1)</script><img src=x onerror=alert(1)><p>x</p>")
    assert policy == {
        "default-src": "'none'",
        "style-src": "'none'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'",
        "sandbox": "",
    }
