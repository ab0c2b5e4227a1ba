"""What the mails say, in every language (contract elixir, section 10)."""

from __future__ import annotations

import re
import string
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest
from hatchling.builders.wheel import WheelBuilder
from jinja2 import meta

from gatepass.adapters.mail import compose as composing
from gatepass.adapters.mail.compose import Composed, compose, harmless, languages, words_of
from gatepass.core.outbox import Claimed, CodeMail, NewDeviceMail

WORD_FOR_CODE = {
    "de": "Code",
    "en": "code",
    "es": "código",
    "fr": "code",
    "it": "codice",
    "ja": "コード",
    "ko": "코드",
    "nl": "code",
    "pl": "kod",
    "pt": "código",
    "pt-BR": "código",
    "tr": "Kodunuz",
    "zh": "验证码",
}
HOSTILE_NAMES = [
    "Acme 123456",
    "2026111122223333",
    "١٢٣٤٥٦ 99999",
    '"><script>alert(1)</script>',
    "</p><img src=https://evil.example/x.png>",
    "{code}{{ code }}{% raw %}",
    "https://evil.example/login www.evil.example me@evil.example",
    "Acme\r\nBcc: all@example.com",
    "x" * 100,
]


def claimed(application: str = "Acme", *, locale: str = "en", minutes: int = 10, code: str = "482193") -> Claimed:
    mail = CodeMail(
        to="Ada.Lovelace@example.com",
        application=application,
        code=code,
        transaction_id="7c1f2f0e-6a55-4b0b-9a2e-0f6d2f1b9d34",
        requested_at=1_790_000_000_250,
        life_minutes=minutes,
        locale=locale,
    )
    return Claimed(UUID(int=7), UUID(int=1), mail, expires_at=1_790_000_600_250, tries=1)


def notice(application: str = "Acme", *, device: str | None = "Pixel 9", locale: str = "en") -> Claimed:
    mail = NewDeviceMail(
        to="Ada.Lovelace@example.com",
        application=application,
        device=device,
        client_address="203.0.113.7",
        signed_in_at=1_790_000_000_250,
        page="https://auth.example.com/account",
        locale=locale,
    )
    return Claimed(UUID(int=8), UUID(int=1), mail, expires_at=1_790_000_600_250, tries=1)


class Page(HTMLParser):
    """The text that a reader of the HTML sees, and the elements that could act."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen = ""
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data: str) -> None:
        if self._open not in ("style", "title"):
            self.seen += data


def parts(composed: Composed) -> list[str]:
    """Both parts as people read them, blanks folded."""
    return [" ".join(text.split()) for text in (composed.text, Page(composed.html).seen)]


@pytest.mark.parametrize("language", sorted(WORD_FOR_CODE))
@pytest.mark.parametrize("code", ["00000", "482193", "9876543210"])
def test_the_code_stands_once_in_each_part_behind_the_word_for_code(language: str, code: str) -> None:
    composed = compose(claimed("Acme", locale=language, code=code))
    assert composed.language == language
    for raw in (composed.text, composed.html):
        assert re.findall(r"\d{5,}", raw) == [code]
    for text in parts(composed):
        assert re.search(rf"{WORD_FOR_CODE[language]}\s?[:：] ?{code}(?!\S)", text)
    assert composed.subject.startswith(code)


@pytest.mark.parametrize("language", sorted(WORD_FOR_CODE))
def test_the_mail_names_the_application_the_instant_and_the_life_of_the_code(language: str) -> None:
    for text in parts(compose(claimed("Acme", locale=language, minutes=7))):
        assert "Acme" in text
        assert "2026-09-21 14:13:20 UTC" in text
        assert re.search(r"(?<!\d)7(?!\d)", text)
        for name in ("newest", "ignore"):
            assert words_of(language)[name] in text


def test_one_minute_is_singular() -> None:
    assert "valid for 1 minute and" in compose(claimed(minutes=1)).text
    assert "gilt 1 Minute und" in compose(claimed(minutes=1, locale="de")).text


def test_every_language_has_every_sentence_with_the_same_blanks_to_fill() -> None:
    def blanks(sentence: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}

    assert set(languages().values()) == WORD_FOR_CODE.keys()
    for mail in ("code", "new_device"):
        model = {name: blanks(sentence) for name, sentence in words_of("en", mail).items()}
        for language in languages().values():
            words = words_of(language, mail)
            assert {name: blanks(sentence) for name, sentence in words.items()} == model, language
            assert all(sentence == sentence.strip() and sentence for sentence in words.values())


@pytest.mark.parametrize("mail", ["code", "new_device"])
def test_the_templates_use_every_sentence_and_know_no_other(mail: str) -> None:
    values = {"code", "application", "title", "language", "page"}
    elsewhere = {"subject", "subject_without_code", "life_one", "unnamed"}
    sentences = words_of("en", mail).keys() - elsewhere
    environment = composing._TEMPLATES
    assert environment.loader is not None
    for name in (f"{mail}.txt", f"{mail}.html"):
        source, _, _ = environment.loader.get_source(environment, name)
        used = meta.find_undeclared_variables(environment.parse(source))
        assert used - values == sentences, name


def test_the_languages_and_templates_are_in_the_wheel() -> None:
    root = Path(composing.__file__).parents[4]
    shipped = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    assert {f"gatepass/adapters/mail/words/{language}.toml" for language in WORD_FOR_CODE} <= shipped
    for mail in ("code", "new_device"):
        assert {f"gatepass/adapters/mail/templates/{mail}.{kind}" for kind in ("txt", "html")} <= shipped
    assert "gatepass/adapters/mail/templates/base.html" in shipped


@pytest.mark.parametrize(
    ("preferred", "language"),
    [
        ("", "en"),
        ("pt-BR", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("pt-AO", "pt"),
        ("pt-BR-x-games", "pt-BR"),
        ("zh-Hant-TW", "zh"),
        ("tlh", "en"),
        ("tlh,nl-BE,de", "nl"),
        ("xx, ja ,de", "ja"),
        ("-,--,,de", "de"),
    ],
)
def test_the_first_language_that_we_have_is_spoken(preferred: str, language: str) -> None:
    assert compose(claimed(locale=preferred)).language == language


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_hostile_team_name_is_text_and_nothing_else(name: str, language: str) -> None:
    composed, plain = compose(claimed(name, locale=language)), compose(claimed("Acme", locale=language))
    for raw in (composed.subject, composed.text, composed.html):
        assert re.findall(r"\d{5,}", raw) == ["482193"]
        assert not re.search(r"://\w|www\.\w|\w@\w", raw)
    assert not re.search(r"[\x00-\x1f\x7f\u2028\u2029]", composed.subject)
    assert len(composed.text.splitlines()) == len(plain.text.splitlines())
    page, model = Page(composed.html), Page(plain.html)
    assert (page.elements, page.attributes) == (model.elements, model.attributes)


def test_the_mail_links_to_nothing_and_fetches_nothing() -> None:
    composed = compose(claimed())
    page = Page(composed.html)
    assert not page.elements & {"a", "img", "link", "script", "iframe", "form", "object", "svg"}
    assert not page.attributes & {"href", "src", "background", "action"}
    assert not re.search(r"https?:|url\(|@import|@font-face", composed.text + composed.html)
    assert "ada.lovelace" not in (composed.text + composed.html + composed.subject).lower()


def test_the_html_follows_the_reader_s_light_or_dark_screen() -> None:
    html = compose(claimed()).html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_the_code_can_be_kept_off_the_lock_screen() -> None:
    composed = compose(claimed(), code_in_subject=False)
    assert composed.subject == "Your Acme sign-in code"
    assert "482193" in composed.text


def test_the_subject_reads_like_a_sentence() -> None:
    assert compose(claimed()).subject == "482193 is your Acme sign-in code"


def test_an_ordinary_name_is_left_alone() -> None:
    for name in ("Acme", "Studio 1984", "L'été & Cie.", "日本ゲームズ", "St. John: Origins"):
        assert harmless(name) == name


def test_nothing_of_the_mail_shows_in_a_repr() -> None:
    assert "482193" not in repr(claimed())
    assert "482193" not in repr(compose(claimed()))


@pytest.mark.parametrize("language", sorted(WORD_FOR_CODE))
def test_a_notice_names_the_device_the_instant_the_address_and_the_page(language: str) -> None:
    composed = compose(notice(locale=language))
    assert composed.language == language
    assert "Acme" in composed.subject
    for text in parts(composed):
        for said in ("Acme", "Pixel 9", "2026-09-21 14:13:20 UTC", "203.0.113.7", "https://auth.example.com/account"):
            assert said in text


def test_a_notice_of_a_nameless_device_says_so() -> None:
    for device in (None, "", " \u200b\0 "):
        assert "Device: a device that gave no name" in compose(notice(device=device)).text


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_hostile_device_or_team_is_text_and_nothing_else_in_a_notice(name: str, language: str) -> None:
    plain = compose(notice(locale=language))
    for composed in (compose(notice(name, locale=language)), compose(notice(device=name, locale=language))):
        for raw in (composed.subject, composed.text, composed.html):
            said = raw.replace("https://auth.example.com/account", "")
            assert not re.search(r"\d{5,}|://\w|www\.\w|\w@\w", said)
        assert len(composed.text.splitlines()) == len(plain.text.splitlines())
        page, model = Page(composed.html), Page(plain.html)
        assert (page.elements, page.attributes) == (model.elements, model.attributes)


def test_a_long_device_name_is_cut() -> None:
    assert f"Device: {'x' * 80}\n" in compose(notice(device="x" * 255)).text


def test_a_notice_fetches_nothing_and_acts_on_nothing() -> None:
    page = Page(compose(notice()).html)
    assert not page.elements & {"a", "img", "link", "script", "iframe", "form", "object", "svg"}
    assert not page.attributes & {"href", "src", "background", "action"}
