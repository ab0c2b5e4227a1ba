"""`gatepass operators`: inviting by a one-time link, letting in again, shutting out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx

import commands


def test_an_operator_is_invited_listed_and_removed(either_gatepass: Any) -> None:
    gatepass = either_gatepass
    assert "gatepass operators create" in gatepass("operators", "list").out
    made = gatepass.json("operators", "create", "Ada@Example.com")
    assert made["name"] == "ada@example.com"
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/console/link/[A-Za-z0-9]{40}", made["link"])
    (listed,) = gatepass.json("operators", "list")
    assert (listed["name"], listed["has_password"], listed["signed_in_at"]) == ("ada@example.com", False, None)
    assert gatepass("operators", "remove", "ada@example.com").code == 2
    assert gatepass("operators", "remove", "ada@example.com", "--yes").code == 0
    assert gatepass.json("operators", "list") == []
    assert gatepass("operators", "link", "ada@example.com").code == 1


def test_each_link_is_a_new_one(gatepass: Any) -> None:
    first = gatepass.json("operators", "create", "ada")["link"]
    assert gatepass.json("operators", "link", "ADA")["link"] != first
    said = gatepass("operators", "link", "ada")
    assert "/console/link/" in said.out
    assert "works once" in said.out


def test_the_first_operator_may_choose_the_name_on_the_page(gatepass: Any) -> None:
    made = gatepass.json("operators", "create")
    assert (made["operator_id"], made["name"]) == (None, None)
    assert gatepass("operators", "create", "ada").code == 0
    assert gatepass("operators", "create").code == 2


def test_names_that_are_taken_or_none_are_refused(gatepass: Any) -> None:
    assert gatepass("operators", "create", "ada").code == 0
    for name in ("ADA", "", "a b", "ada-", "x" * 101, "<b>", "ada\n"):
        said = gatepass("operators", "create", name)
        assert said.code == 1, name


def test_who_names_nobody_is_told_where_the_names_are(gatepass: Any) -> None:
    said = gatepass("operators", "link", "nobody")

    assert said.code == 1
    assert "no such operator" in said.err
    assert "gatepass operators list" in said.err


def test_on_a_running_dev_server_the_link_opens(tmp_path: Path) -> None:
    with commands.dev(tmp_path) as server:
        made = commands.run("operators", "create", "ada", "--json", cwd=tmp_path)
        link = json.loads(made.stdout)["link"]
        assert link.startswith(server.url)
        assert httpx.get(link).status_code == 200
