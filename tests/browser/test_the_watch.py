"""The browser tests see what they say they see: each kind of fault, made on purpose, is found."""

from __future__ import annotations

from browsing import Browser


def faults(browser: Browser) -> str:
    browser.page.wait_for_load_state("networkidle")
    found, browser.faults[:] = " ".join(browser.faults), []
    return found


def test_errors_of_scripts_and_words_on_the_console_are_faults(browser: Browser) -> None:
    browser.page.goto("/console")
    browser.page.evaluate("() => console.error('an error of ours')")
    assert "an error of ours" in faults(browser)
    browser.page.evaluate("() => { setTimeout(() => { throw new Error('thrown later') }) }")
    browser.page.wait_for_timeout(50)
    assert "thrown later" in faults(browser)


def test_what_is_asked_of_another_host_is_a_fault_and_the_policy_stops_it(browser: Browser) -> None:
    browser.page.goto("/console")
    browser.page.evaluate("() => fetch('http://elsewhere.invalid/x').catch(() => 0)")
    assert "Content Security Policy" in faults(browser)
    with browser.page.expect_event("requestfailed"):
        browser.page.evaluate("() => { location.href = 'http://elsewhere.invalid/y' }")
    assert "asked elsewhere: http://elsewhere.invalid/y" in faults(browser)


def test_an_inline_script_and_an_inline_style_do_not_run_and_are_faults(browser: Browser) -> None:
    browser.page.goto("/console")
    browser.page.evaluate(
        '() => { document.body.innerHTML += \'<p style="color: red" onclick="window.ran = 1">x</p>\';'
        " document.body.lastChild.click() }"
    )
    assert browser.page.evaluate("() => window.ran") is None
    assert faults(browser).count("Content Security Policy") == 2


def test_an_answer_that_refuses_is_a_fault_unless_it_is_expected(browser: Browser) -> None:
    browser.page.goto("/console/nowhere")
    assert "404: GET" in faults(browser)
    with browser.expecting(404):
        browser.page.goto("/console/nowhere")
    assert faults(browser) == ""


def test_what_a_screen_reader_cannot_use_and_what_sticks_out_are_faults(browser: Browser) -> None:
    browser.page.goto("/console")
    browser.page.evaluate(
        "() => { const field = document.createElement('input'); const wide = document.createElement('div');"
        " wide.textContent = 'x'.repeat(999); wide.style.overflowWrap = 'normal'; document.body.append(field, wide) }"
    )
    browser.look()
    found = faults(browser)
    assert "label: " in found
    assert "sticks out" in found
