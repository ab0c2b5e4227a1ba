"""Icons as inline SVG, in the colour of the text and silent to screen readers. Drawn for this project, on a grid of 24."""

from __future__ import annotations

from markupsafe import Markup

_PATHS = {
    "alert": "M12 3 2.5 20h19L12 3Zm0 7v4m0 3v.01",
    "back": "M19 12H5m6-6-6 6 6 6",
    "ban": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM5.6 5.6l12.8 12.8",
    "chart": "M4 20V4m0 16h16M8 16v-4m4 4V8m4 8v-6",
    "check": "m4 12.5 5 5L20 6.5",
    "code": "m8 7-5 5 5 5m8-10 5 5-5 5",
    "copy": "M9 9h11v11H9V9Zm-4 6H4V4h11v1",
    "device": "M7 2.5h10v19H7v-19ZM11 18.5h2",
    "download": "M12 4v11m-5-5 5 5 5-5M4 20h16",
    "home": "M3 11.5 12 4l9 7.5M5.5 10v10h13V10",
    "inbox": "M3 13h5l1.5 3h5L16 13h5M5.5 5h13L21 13v6H3v-6L5.5 5Z",
    "key": "M14.5 9.5a5 5 0 1 0-3 4.6L13 15.5h2v2h2v2h4v-3l-6.6-6.6c.1-.4.1-.6.1-.4ZM8 9.5v.01",
    "list": "M8 6h12M8 12h12M8 18h12M4 6v.01M4 12v.01M4 18v.01",
    "lock": "M6 11h12v9.5H6V11Zm2.5 0V7.5a3.5 3.5 0 0 1 7 0V11",
    "mail": "M3 5.5h18v13H3v-13Zm0 .5 9 7 9-7",
    "out": "M10 4H4v16h6m4-12 4 4-4 4m4-4H9",
    "plus": "M12 5v14M5 12h14",
    "qr": "M4 4h6v6H4V4Zm10 0h6v6h-6V4ZM4 14h6v6H4v-6Zm10 0h3v3m3-3v6h-6v-3",
    "search": "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm5 11.5L21 21",
    "settings": "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5v5m-7 5v5",
    "team": "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Zm-6.5 9a6.5 6.5 0 0 1 13 0m0-16a3.5 3.5 0 0 1 0 7m2 3a6 6 0 0 1 4 6",
    "undo": "M8 5 4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11H9",
    "user": "M12 11.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 21a7.5 7.5 0 0 1 15 0",
}


def icon(name: str) -> Markup:
    """The icon of that name. Raises KeyError for one that nobody drew."""
    return Markup(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{}"/></svg>'
    ).format(_PATHS[name])
