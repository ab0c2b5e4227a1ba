"""What a mail says, in the reader's language (contract elixir, section 10).

The words of a language are one file, words/<tag>.toml, with a table for each kind of mail; how they are set is one
template for the plain part and one for the HTML part. Where there is a code it is the only run of five digits or more in
either part, and follows the word for "code", so that phones find it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gatepass.core.outbox import Claimed, CodeMail, NewDeviceMail

FALLBACK = "en"
LONGEST_DEVICE = 80
"""Characters of a device's name that a mail repeats."""
_WORDS = files("gatepass.adapters.mail") / "words"
_TEMPLATES = Environment(
    loader=PackageLoader("gatepass.adapters.mail"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
_NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
_WORD_JOINER = "\N{WORD JOINER}"


@dataclass(frozen=True, slots=True)
class Composed:
    """One mail, ready to leave or to be kept. *language* is a tag of BCP 47."""

    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str


def compose(claimed: Claimed, *, code_in_subject: bool = True) -> Composed:
    """The mail as it leaves. *code_in_subject* off is for those who fear lock-screen previews."""
    match claimed.mail:
        case CodeMail():
            return _with_code(claimed.mail, in_subject=code_in_subject)
        case NewDeviceMail():
            return _of_new_device(claimed.mail)


def _with_code(mail: CodeMail, *, in_subject: bool) -> Composed:
    language = choose(mail.locale)
    words = words_of(language)
    values = {
        "code": mail.code,
        "application": harmless(mail.application),
        "minutes": mail.life_minutes,
        "time": _instant(mail.requested_at),
    }
    said = {name: sentence.format_map(values) for name, sentence in words.items()}
    said["life"] = said["life_one" if mail.life_minutes == 1 else "life"]
    shown = {
        **said,
        "title": said["subject_without_code"],
        "code": mail.code,
        "application": values["application"],
        "language": language,
    }
    return Composed(
        to=mail.to,
        subject=said["subject" if in_subject else "subject_without_code"],
        text=_TEMPLATES.get_template("code.txt").render(shown),
        html=_TEMPLATES.get_template("code.html").render(shown),
        language=language,
    )


def _of_new_device(mail: NewDeviceMail) -> Composed:
    language = choose(mail.locale)
    words = words_of(language, "new_device")
    device = harmless(mail.device or "")[:LONGEST_DEVICE]
    values = {
        "application": harmless(mail.application),
        "device": device or words["unnamed"],
        "time": _instant(mail.signed_in_at),
        "address": mail.client_address or "–",
    }
    said = {name: sentence.format_map(values) for name, sentence in words.items() if name != "unnamed"}
    shown = {
        **said,
        "title": said["subject"],
        "page": mail.page,
        "application": values["application"],
        "language": language,
    }
    return Composed(
        to=mail.to,
        subject=said["subject"],
        text=_TEMPLATES.get_template("new_device.txt").render(shown),
        html=_TEMPLATES.get_template("new_device.html").render(shown),
        language=language,
    )


def _instant(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


@cache
def languages() -> dict[str, str]:
    """Every language there are words for: its tag by its tag in lower case."""
    tags = [entry.name.removesuffix(".toml") for entry in _WORDS.iterdir() if entry.name.endswith(".toml")]
    return {tag.lower(): tag for tag in sorted(tags)}


@cache
def words_of(language: str, mail: str = "code") -> dict[str, str]:
    """The sentences of one kind of *mail*, `code` or `new_device`, in one language, by name."""
    sentences: dict[str, str] = tomllib.loads((_WORDS / f"{language}.toml").read_text(encoding="utf-8"))[mail]
    return sentences


def choose(preferred: str) -> str:
    """The best language we have for *preferred*, tags with the best first, comma-separated (RFC 4647 section 3.4)."""
    for tag in preferred.lower().split(","):
        for candidate in _shorter_and_shorter(tag.strip()):
            if candidate in languages():
                return languages()[candidate]
    return FALLBACK


def _shorter_and_shorter(tag: str) -> Iterator[str]:
    """`pt-br-x`, `pt-br`, `pt`."""
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]


def harmless(name: str) -> str:
    """A name that breaks no header, is no code and no link.

    Long numbers are grouped (`12 345`), and what a mail program would make a link of is held apart by characters
    nobody sees.
    """
    printable = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    grouped = re.sub(r"\d{5,}", lambda run: _in_threes(run[0]), printable)
    return re.sub(r"(?<=\w)(\.|@|://)(?=\w)", rf"\1{_WORD_JOINER}", grouped)


def _in_threes(digits: str) -> str:
    first = len(digits) % 3
    groups = [digits[:first], *(digits[start : start + 3] for start in range(first, len(digits), 3))]
    return _NARROW_SPACE.join(group for group in groups if group)
