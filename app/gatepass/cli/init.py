"""`gatepass init`: a `.env` to start from."""

from __future__ import annotations

from pathlib import Path

from gatepass.cli.options import AsJson
from gatepass.cli.output import Failure, examples, show

EXAMPLES = examples("gatepass init && $EDITOR .env && gatepass migrate up && gatepass serve")

TEMPLATE = """\
# Settings of `gatepass serve`. Keep this file to yourself: it holds secrets.

# Signs and seals everything. To change it without signing anyone out: `old,new`, then `new,old`, then `new`,
# with a restart of every process in between.
GATEPASS_SECRET_KEY={secret_key}

# sqlite:///path for one host, postgresql://user:password@host/name for any number of them.
GATEPASS_DATABASE_URL=sqlite:///gatepass.db

# Where phones reach this server.
GATEPASS_PUBLIC_URL=http://127.0.0.1:8000

# Where mail leaves, e.g. smtp://user:password@mail.example.com:587?starttls=true. Nobody can sign in without it.
GATEPASS_SMTP_URL=
GATEPASS_MAIL_FROM="Gatepass <no-reply@example.com>"

# Bearer token of the admin API. Remove the line to switch that API off.
GATEPASS_ADMIN_TOKEN={admin_token}

# Reverse proxies whose X-Forwarded-For is believed, e.g. 10.0.0.0/8. None by default.
# GATEPASS_TRUSTED_PROXIES=
"""


def init(as_json: AsJson = False) -> None:
    """Write a .env with fresh secrets and every setting that needs a decision. Never overwrites one."""
    from gatepass.cli.files import create_private
    from gatepass.core.mint import Mint

    mint, path = Mint(), Path(".env")
    text = TEMPLATE.format(secret_key=mint.alphanumeric(48), admin_token=mint.alphanumeric(40))
    try:
        create_private(path, text)
    except FileExistsError:
        raise Failure(f"{path} exists, and stays as it is", "move it away first, or edit it") from None
    decide = "GATEPASS_SMTP_URL, GATEPASS_MAIL_FROM and GATEPASS_PUBLIC_URL"
    next_step = f"set {decide} in it, then: gatepass migrate up && gatepass serve"
    show(as_json, {"path": str(path), "next": next_step}, lambda: f"wrote {path} (0600)\nnext: {next_step}")
