"""The docs page: everything there is, from one request, loading nothing."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from gatepass.surfaces.docs.page import Reader
from harness import ADMIN_TOKEN, Server


class Loads(HTMLParser):
    """What a page makes a browser fetch or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "object", "embed", "base", "form") or "src" in named:
            self.found.append(tag)
        self.found += [name for name in named if name.startswith("on") or name == "style"]
        self.ids += [named["id"] or ""] if "id" in named else []
        self.links += [named["href"] or ""] if "href" in named else []


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/"])
async def test_a_page_loads_nothing_and_runs_nothing(sqlite_server: Server, path: str) -> None:
    page = await sqlite_server.client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert Loads(page.text).found == []
    assert "url(" not in page.text
    assert "@import" not in page.text
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.headers["content-security-policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert "prefers-color-scheme: dark" in style
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page.text


async def test_a_page_seen_before_is_not_sent_again(sqlite_server: Server) -> None:
    page = await sqlite_server.client.get("/docs")
    etag = page.headers["etag"]
    for seen in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await sqlite_server.client.get("/docs", headers={"if-none-match": seen})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    changed = await sqlite_server.client.get("/docs", headers={"if-none-match": '"other"'})
    assert changed.content == page.content


async def test_every_call_stands_on_the_page_with_its_curl_and_answers(sqlite_server: Server) -> None:
    text = (await sqlite_server.client.get("/docs")).text
    page = Loads(text)
    document = (await sqlite_server.client.get("/openapi.json")).json()
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        assert link.startswith("/") or link.removeprefix("#") in page.ids
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            article = text[text.index(f'<article id="{operation["operationId"]}">') :].partition("</article>")[0]
            assert f"<b>{method.upper()}</b> <code>{path}</code>" in article
            assert "<pre>curl " in article
            for status in operation["responses"]:
                assert f"<b>{status}</b>" in article


async def test_the_front_door_shows_the_way(sqlite_server: Server) -> None:
    for link in Loads((await sqlite_server.client.get("/")).text).links:
        assert (await sqlite_server.client.get(link)).status_code == 200


async def test_the_curls_on_the_page_work_as_they_stand(server: Server) -> None:
    """Variables filled in as a shell would; what refers to nothing that exists is not among them."""
    user = (
        await server.client.post(
            f"/admin/v1/teams/{server.team.id}/users", json={"client_user_id": "x"}, headers=server.admin
        )
    ).json()
    shell = {
        "$ADMIN_TOKEN": ADMIN_TOKEN,
        "$API_KEY": server.development_key,
        "$TEAM_ID": str(server.team.id),
        "$USER_ID": user["id"],
    }
    document = (await server.client.get("/openapi.json")).json()
    worked = set()
    for group in Reader(document).groups():
        for operation in group.operations:
            line = operation.curl
            for name, value in shell.items():
                line = line.replace(name, value)
            if "$" not in line and operation.method in ("GET", "POST", "PATCH"):
                answer = await run(server.client, line)
                if answer.status_code < 300:
                    worked.add(operation.id)
    assert worked >= {
        "elixir_ask_for_code",
        "admin_create_team",
        "admin_change_team",
        "admin_create_key",
        "admin_import_key",
        "admin_create_user",
        "admin_change_user",
        "admin_ban_user",
        "health_live",
    }


async def run(client: httpx.AsyncClient, curl: str) -> httpx.Response:
    """What `curl` would do, for the few options that the page uses."""
    words = shlex.split(curl.replace("\\\n", " "))
    assert words.pop(0) == "curl"
    method, url, given = "GET", "", {"headers": {}}
    arguments: Any = iter(words)
    for word in arguments:
        match word:
            case "-X":
                method = next(arguments)
            case "-H":
                name, _, value = next(arguments).partition(": ")
                given["headers"][name] = value
            case "-d":
                given["content"] = next(arguments)
            case "--data-urlencode":
                name, _, value = next(arguments).partition("=")
                given.setdefault("data", {})[name] = value
            case _:
                url = word
    return await client.request(method, url, **given)
