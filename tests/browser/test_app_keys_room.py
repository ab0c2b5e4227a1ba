"""The migration meter: an app that carries a key is seen, and refused once that is switched on."""

from __future__ import annotations

import httpx

from browsing import Browser, expect


def test_an_app_with_a_key_inside_is_seen_and_refused(console: Browser) -> None:
    page, facts = console.page, console.server.facts
    room = f"/console/teams/{facts['team_id']}/app-keys"
    page.goto(room)
    expect(page.get_by_role("heading", name="0 apps with a key inside")).to_be_visible()
    console.look()

    def calls() -> int:
        headers = {"x-vital-api-key": facts["secret_key"], "x-vital-ios-sdk-version": "4.1.2"}
        return httpx.get(f"{console.server.url}/v2/user/resolve/nobody", headers=headers).status_code

    assert calls() == 404
    page.reload()
    expect(page.get_by_role("heading", name="1 app with a key inside")).to_be_visible()
    expect(page.get_by_role("rowheader", name="ios 4.1.2")).to_be_visible()
    console.look()

    page.get_by_role("button", name="Refuse keys in apps").click()
    expect(page.get_by_role("status").first).to_contain_text("refused from now on")
    assert calls() == 403
    page.get_by_role("button", name="Take them again").click()
    assert calls() == 404
