"""How the admin API spells refusals: a status, a word and a sentence that says what to do."""

from __future__ import annotations

from fastapi import Response

from gatepass.core.errors import Refusal
from gatepass.surfaces.health.refusals import spell as spell_plainly


def spell(refusal: Refusal) -> Response:
    return spell_plainly(refusal)
