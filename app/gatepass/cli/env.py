"""`gatepass env`: what a program needs to use the running `gatepass dev`."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum
from typing import Annotated

import typer

from gatepass.cli.options import AsJson, DataDir
from gatepass.cli.output import examples

EXAMPLES = examples("gatepass env -o dotenv > .env.test", 'eval "$(gatepass env -o shell)"', "gatepass env -o json")


class Form(StrEnum):
    """How the variables are written."""

    DOTENV = "dotenv"
    JSON = "json"
    SHELL = "shell"


def env(
    form: Annotated[Form, typer.Option("--output", "-o", help="How they are written.")] = Form.DOTENV,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the URL and the keys of the running `gatepass dev` as environment variables."""
    from gatepass.cli.facts import of_running

    values = of_running(data_dir)
    match Form.JSON if as_json else form:
        case Form.JSON:
            print(json.dumps(values))
        case Form.SHELL:
            print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items()))
        case Form.DOTENV:
            print("\n".join(f"{name}={value}" for name, value in values.items()))
