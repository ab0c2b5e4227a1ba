"""A browser's name is short, and made of our own words only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass.surfaces.account.user_agents import browser_name

MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on Mac"),
        (f"{WINDOWS} Chrome/143.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"{WINDOWS} Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} Chrome/143.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) CriOS/143.0 Mobile Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/143.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.14.1", "A browser"),
        ("", "A browser"),
    ],
)
def test_a_browser_is_called_what_its_owner_would_call_it(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name


@given(st.text())
def test_nothing_of_what_it_sends_is_repeated(user_agent: str) -> None:
    assert set(browser_name(user_agent)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ")
