"""The mails of a team as its users get them: every kind, in every language, without sending one."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from gatepass.adapters.mail.compose import Composed, compose, languages
from gatepass.core.errors import NotFound
from gatepass.core.outbox import Claimed, CodeMail, Mail, NewDeviceMail
from gatepass.core.schema import MINUTE
from gatepass.pages.mail import framed
from gatepass.surfaces.console.access import AtTeam, TeamDesk

router = APIRouter(prefix="/console/teams/{team_id}/mails")

KINDS = (("code", "The code to sign in with"), ("new-device", "A device signed in for the first time"))
_SAMPLE = UUID(int=0)
_READER = "ada@example.com"
NAMES = {
    "de": "Deutsch", "en": "English", "es": "Español", "fr": "Français", "it": "Italiano", "ja": "日本語", "ko": "한국어",
    "nl": "Nederlands", "pl": "Polski", "pt": "Português", "pt-BR": "Português (Brasil)", "tr": "Türkçe", "zh": "中文",
}  # fmt: skip
"""What the languages call themselves."""


@router.get("")
async def show(desk: AtTeam) -> Response:
    """One kind of mail in one language, to be chosen."""
    kind, language = _chosen(desk)
    return desk.render(
        "mails.html",
        frames=True,
        kinds=KINDS,
        kind=kind,
        languages=[(tag, NAMES.get(tag, tag)) for tag in languages().values()],
        language=language,
        mail=_compose(desk, kind, language),
        source=f"/console{desk.home}/mails/{kind}/{language}",
    )


def _chosen(desk: TeamDesk) -> tuple[str, str]:
    """What the address of the page says; what makes no sense there is English, and the code."""
    given = desk.request.query_params
    kind, language = given.get("kind", ""), given.get("language", "")
    return kind if kind in dict(KINDS) else KINDS[0][0], language if language in languages().values() else "en"


@router.get("/{kind}/{language}")
async def body(kind: str, language: str, desk: AtTeam) -> Response:
    """The mail itself, for the frame on its page."""
    if kind not in dict(KINDS) or language not in languages().values():
        raise NotFound("mail")
    return framed(_compose(desk, kind, language).html)


def _compose(desk: TeamDesk, kind: str, language: str) -> Composed:
    """As the worker composes it, with a made-up reader."""
    claimed = Claimed(_SAMPLE, desk.team.id, _sample(desk, kind, language), 0, 0)
    return compose(claimed, code_in_subject=desk.runtime.settings.code_in_subject)


def _sample(desk: TeamDesk, kind: str, language: str) -> Mail:
    policy, now = desk.runtime.policy, desk.runtime.clock.now()
    if kind == "new-device":
        page = f"{policy.issuer}/account"
        return NewDeviceMail(_READER, desk.team.name, "Pixel 9", "192.0.2.7", now, page, language)
    code = "1234567890"[: desk.team.code_length or policy.code_length]
    return CodeMail(_READER, desk.team.name, code, str(_SAMPLE), now, policy.code_ttl // MINUTE, language)
