"""What went wrong, in a sentence, and what to do about it: the command line's table of refusals.

No sentence holds the value of a setting or of a secret.
"""

from __future__ import annotations

import asyncpg
import typer
from pydantic import ValidationError
from sqlalchemy.exc import ArgumentError, DBAPIError

from gatepass.adapters.postgres_server import TlsFailed
from gatepass.cli.output import Failure
from gatepass.core.errors import Conflict, InputRefused, NotFound, Refusal, Unavailable
from gatepass.settings import PREFIX, MisspeltSetting

WHERE_TO_LOOK = {
    "team": "gatepass teams list shows them",
    "key": "gatepass keys list shows them",
    "user": "gatepass users list shows them; --team names another team",
    "session": "gatepass sessions list USER shows them",
    "operator": "gatepass operators list shows them",
}
_OWN_WORDS = frozenset({"secret_key", "database_url", "public_url", "trusted_proxies"})
"""Settings whose own checks explain themselves without showing the value."""


def understand(error: Exception) -> Failure:
    """The failure behind *error*. Raises *error* itself where it is a mistake of ours, for its traceback."""
    match error:
        case Failure():
            return error
        case typer.TyperException():
            command = getattr(getattr(error, "ctx", None), "command_path", "gatepass")
            return Failure(error.format_message(), f"{command} --help shows how", code=2)
        case NotFound(what=what):
            return Failure(f"there is no such {what}", WHERE_TO_LOOK.get(what, "look at its list"))
        case InputRefused() | Conflict():
            return Failure(str(error), "correct it and run the command again")
        case TlsFailed() | Unavailable(__cause__=TlsFailed()):
            return Failure(str(error), "look at the host, sslmode and sslrootcert in GATEPASS_DATABASE_URL")
        case Unavailable() | DBAPIError() | asyncpg.PostgresError() | asyncpg.InterfaceError() | ConnectionError():
            return Failure(
                "the database does not answer, or not as a database of ours",
                "see that it runs and that GATEPASS_DATABASE_URL leads to it; gatepass migrate status tells more",
            )
        case Refusal():
            return Failure(str(error) or type(error).__name__, "correct it and run the command again")
        case MisspeltSetting():
            return Failure(str(error), "correct the name in the environment or in .env", code=2)
        case ValidationError():
            return Failure("; ".join(sentences(error)), "gatepass init writes a .env to start from", code=2)
        case ArgumentError():
            return Failure(
                "GATEPASS_DATABASE_URL cannot be read",
                "write sqlite:///path or postgresql://user:password@host/name",
                code=2,
            )
        case OSError() if error.filename is not None:
            return Failure(f"{error.filename}: {error.strerror}", "correct the path or its permissions")
        case _:
            raise error


def sentences(error: ValidationError) -> list[str]:
    """One clear sentence for each setting that is missing or wrong."""
    found = []
    for problem in error.errors(include_input=False, include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        variable = f"{PREFIX}{field.upper()}"
        if problem["type"] == "missing":
            found.append(f"{variable} is missing")
        elif problem["type"] == "value_error" and field not in _OWN_WORDS and not field.startswith("limit_"):
            found.append(f"{variable} is not written as it should be")
        else:
            found.append(f"{variable}: {problem['msg'].removeprefix('Value error, ')}")
    return found
