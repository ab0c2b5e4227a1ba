"""Rotating a signing key, as an operator does it."""

from __future__ import annotations

import apps
import httpx

from browsing import Browser, expect


def test_a_new_key_is_published_and_the_old_one_goes_on_until_it_signs(console: Browser) -> None:
    page = console.page
    apps.sign_in(console.server)
    page.get_by_role("link", name="Signing keys", exact=True).click()
    old = page.get_by_role("row").filter(has_text="signing").get_by_role("rowheader").inner_text()
    console.look()
    page.get_by_role("button", name="Rotate the keys of Access tokens").click()
    console.look()
    page.get_by_role("button", name="Rotate", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text("signs in ten minutes")
    rows = page.get_by_role("row")
    expect(rows).to_have_count(3)
    expect(rows.nth(1)).to_contain_text("waiting")
    expect(rows.nth(2)).to_contain_text("signing")
    expect(rows.nth(2)).to_contain_text(old)
    console.look()
    published = {key["kid"] for key in httpx.get(f"{console.server.url}/.well-known/jwks.json").json()["keys"]}
    assert published >= {old, rows.nth(1).get_by_role("rowheader").inner_text()}

    (event,) = apps.admin(console.server, "GET", "/events?event=signing_key_rotated")["events"]
    assert event["detail"]["by_operator"]


def test_a_ring_that_is_not_there_cannot_be_rotated(console: Browser) -> None:
    for path in ("nonsense", "00000000-0000-0000-0000-000000000000", console.server.facts["team_id"]):
        with console.expecting(404):
            console.page.goto(f"/console/signing-keys/{path}/rotate")
