"""Profile: the account's name, and the language of its mails."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gatepass.adapters.mail.compose import languages
from gatepass.core import users
from gatepass.core.errors import InputRefused
from gatepass.core.unit import Unit
from gatepass.surfaces.account.access import HOME, AtHome, Visit

router = APIRouter(prefix=f"{HOME}/profile")

AUTOMATIC = ""
NAMES = {
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "pt-BR": "Português (Brasil)",
    "tr": "Türkçe",
    "zh": "中文",
}
"""Every language that mails are written in, as its speakers call it."""


@router.get("")
async def profile(home: AtHome) -> Response:
    """The form."""
    return _form(home, 200, home.user.nickname, home.user.language or AUTOMATIC, problem=None)


@router.post("")
async def change(home: AtHome) -> Response:
    """Keep what was changed."""
    form = await home.form()
    nickname, language = form.get("nickname", "").strip(), form.choice("language", AUTOMATIC, *languages().values())
    changes: dict[str, object] = {}
    if nickname != home.user.nickname:
        changes["nickname"] = nickname
    if (language or None) != home.user.language:
        changes["language"] = language or None

    async def work(unit: Unit) -> None:
        if not nickname.isprintable():
            raise InputRefused("nickname", "has 1 to 64 printable characters")
        await users.change(unit, home.team.id, home.user.id, **changes)

    if changes:
        try:
            await home.transact(work)
        except InputRefused:
            return _form(home, 422, nickname, language, problem="A name has 1 to 64 printable characters.")
    return home.go("/profile", "Saved." if changes else "")


def _form(home: Visit, status: int, nickname: str, language: str, *, problem: str | None) -> Response:
    options = [(AUTOMATIC, "Automatic: as the device asks"), *((tag, NAMES[tag]) for tag in languages().values())]
    return home.render("profile.html", status, nickname=nickname, language=language, options=options, problem=problem)
