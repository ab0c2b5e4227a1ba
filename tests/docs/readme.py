"""The README as a program: its fenced blocks, and how each kind is run.

```console   `$ command` and the real output below it; run and compared, values that differ each time aside
```sh        run as a script, must succeed
```sh starts the same, but its last command keeps running; it is stopped when the test is over
```sh fresh  run in a fresh copy of the repository, for it installs things: only by `make live`
```sh docker only where a container engine is
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PORT = "8000"

VOLATILE = re.compile(
    r"(?:[sp]k_(?:us|eu)|pub)_[A-Za-z0-9]{40}"  # API keys
    r"|eyJ[\w-]+(?:\.[\w-]+\.[\w-]+|…)"  # access tokens, of which the README shows the beginning
    r"|[0-9a-f]{72}"  # refresh tokens
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # ids
    r"|\b[A-Za-z0-9]{40}\b"  # the admin token
    r"|\b1[0-9]{12}\b"  # instants
    r"|(?<=tokenLifeMS\":)[0-9]+"
    r"|(?<=userCode\":\")[0-9]+"
)
"""What no two runs have in common."""


@dataclass(frozen=True)
class Block:
    """One fenced block: `language`, the word after it, its text."""

    language: str
    word: str
    text: str


def blocks(language: str, word: str | None = None) -> list[Block]:
    """The README's blocks of a language, in order; only those of *word* where it is given."""
    found = re.findall(r"^```(\w+) ?(\w*)\n(.*?)^```$", README, re.M | re.S)
    return [Block(*parts) for parts in found if parts[0] == language and word in (None, parts[1])]


def prompts(transcript: str) -> Iterator[tuple[str, str]]:
    """Each `$ command` of a transcript with the output pasted below it."""
    for part in re.split(r"^\$ ", transcript, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command += "\n" + more
        yield command, output.strip()


class Replay:
    """Runs again what was pasted: each value that the pasted run made stands for the one made now."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._now: dict[str, str] = {}

    def command(self, pasted: str) -> str:
        """*pasted* with the values of now."""
        text = VOLATILE.sub(lambda found: self._now.get(found[0], found[0]), pasted)
        for then, now in self._now.items():
            if re.fullmatch(r"[0-9]{5,10}", then):
                text = text.replace(f'"{then}"', f'"{now}"')
        return text.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{self.port}")

    def output(self, pasted: str, actual: str) -> tuple[str, str]:
        """Both outputs in a form that can be compared; remembers which value stands for which."""
        actual = actual.strip().replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{PORT}")
        self._now |= dict(zip(VOLATILE.findall(pasted), VOLATILE.findall(actual), strict=False))
        return VOLATILE.sub("<…>", pasted), VOLATILE.sub("<…>", actual)
