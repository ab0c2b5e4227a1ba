"""What the settings alone tell, and the files and packages around them."""

from __future__ import annotations

import math
import re
import stat
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.metadata import distributions
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from gatepass.adapters.clock import SystemClock
from gatepass.adapters.mail.mime import Sender
from gatepass.cli.checkup.findings import Finding, fail, ok, skipped, warn
from gatepass.core.limits import Rate
from gatepass.main import unfit
from gatepass.settings import PREFIX, Settings, environment, misspelt

WEAKEST = 100.0
"""Bits of a secret at the least, as its characters tell: half of 128 hex digits' worth would be a tie, so some less."""
SHORTEST_TOKEN = 32
WIDEST = {4: 8, 6: 16}
"""A trusted network with fewer bits of prefix is half of the world."""
_MADE_UP = re.compile(
    r"change.?(me|this)|replace|example|placeholder|your.?secret|s3cret|secret|password|1234567", re.I
)
_NOT_REAL = re.compile(r"(^|\.)(example\.(com|org|net)|example|test|invalid|localhost|local)$")
"""Names that lead nowhere (RFC 2606, RFC 6762)."""
Check = Callable[[Settings], Finding]


def settings_fit_for_production(settings: Settings) -> Finding:
    """What `gatepass serve` would refuse to start with."""
    if reasons := unfit(settings):
        return fail("; ".join(reasons), "correct the environment or .env; until then gatepass serve does not start")
    return ok("gatepass serve starts with them")


def unknown_settings(_: Settings) -> Finding:
    """Variables that do nothing."""
    if unknown := misspelt(environment()):
        return warn(f"{', '.join(unknown)}: no setting of Gatepass, does nothing", "remove it, or correct its name")
    return ok(f"every {PREFIX} variable is known")


def secret_key(settings: Settings) -> Finding:
    """Whether chance made the secrets."""
    listed = [part.strip() for part in settings.secret_key.get_secret_value().split(",")]
    if any(map(is_made_up, listed)):
        return fail("a secret looks made up by hand", "gatepass init makes one; list the old one after it for a while")
    if len(set(listed)) < len(listed):
        return warn("the same secret is listed twice", "list each once")
    if len(listed) > 1:
        return warn(
            "several secrets are listed: it is being changed",
            "drop the old one when every session has refreshed since; that ends those that have not",
        )
    return ok("one secret, long and random")


def admin_token(settings: Settings) -> Finding:
    """Whether the bearer of the admin API can be guessed."""
    token = settings.admin_token.get_secret_value() if settings.admin_token else ""
    if not token:
        return ok("not set: the admin API is off")
    if len(token) < SHORTEST_TOKEN or is_made_up(token):
        return fail(
            "short, or made up by hand", f"take {SHORTEST_TOKEN} random characters or more: openssl rand -hex 32"
        )
    if token in settings.secret_key.get_secret_value().split(","):
        return fail("the same as a secret key", "take another: whoever calls the admin API would know the secret")
    return ok("long and random")


def placeholders(settings: Settings) -> Finding:
    """Names out of the manual."""
    hosts = {"GATEPASS_PUBLIC_URL": urlsplit(settings.public_url).hostname or ""}
    if settings.smtp_url is not None:
        smtp = settings.smtp_url.get_secret_value()
        hosts["GATEPASS_SMTP_URL"] = _host_of(smtp)
        if re.search(r"//(user|username):(password|secret|changeme)@", smtp):
            return fail("GATEPASS_SMTP_URL still has the manual's user and password", "put in your own")
    left = [name for name, host in hosts.items() if _NOT_REAL.search(host) and not is_loopback(host)]
    if left:
        return fail(f"{', '.join(left)}: a name that nobody can reach", "put in your own")
    return ok("none")


def public_url(settings: Settings) -> Finding:
    """Whether tokens travel encrypted."""
    parts = urlsplit(settings.public_url)
    if is_loopback(parts.hostname or ""):
        return warn(
            f"GATEPASS_PUBLIC_URL is {settings.public_url}, which only this host reaches", "name what phones call"
        )
    if parts.scheme != "https":
        return fail(
            "GATEPASS_PUBLIC_URL is not https: tokens would travel in the clear", "put a proxy with TLS in front"
        )
    return ok(settings.public_url)


def mail_sender(settings: Settings) -> Finding:
    """Whether the From is an address that could have sent the mail."""
    if settings.smtp_url is None:
        return skipped("no mail leaves here")
    try:
        sender = Sender.parse(settings.mail_from)
    except ValueError as error:
        return fail(str(error), "correct it")
    if _NOT_REAL.search(sender.domain):
        return fail(f"mail comes from {sender.domain}, a domain that is not yours", "set GATEPASS_MAIL_FROM")
    if "." not in sender.domain:
        return warn(f"mail comes from {sender.domain}, which has no dot", "use an address of a public domain")
    return ok(f"mail comes from {sender.domain}")


def trusted_proxies(settings: Settings) -> Finding:
    """Whether strangers are trusted to say where they come from."""
    wide = [str(network) for network in settings.proxies() if network.prefixlen < WIDEST[network.version]]
    if wide:
        return fail(
            f"{', '.join(wide)}: everyone may claim any address, and limits per client hold no one",
            "name your proxies' own addresses in GATEPASS_TRUSTED_PROXIES",
        )
    return ok(", ".join(settings.trusted_proxies) or "none is trusted")


def shown_codes(settings: Settings) -> Finding:
    """Whether codes are in answers."""
    if settings.expose_user_code:
        return fail("GATEPASS_EXPOSE_USER_CODE is on: whoever has a development key signs in as anyone", "take it out")
    return ok("codes are in mails only")


def limits(settings: Settings) -> Finding:
    """Whether guessing and flooding are limited."""
    off = [
        name
        for name in type(settings).model_fields
        if name.startswith("limit_") and not Rate.parse(getattr(settings, name))
    ]
    if off:
        return fail(f"{', '.join(PREFIX + name.upper() for name in off)}: off", "leave them out for the defaults")
    return ok("all are on")


def review_accounts(settings: Settings) -> Finding:
    """Fixed codes that should be gone, or that live on and on."""
    accounts, today = settings.policy().review_accounts, _today()
    stale = [account.address for account in accounts if account.last_day < today]
    if stale:
        return warn(f"{', '.join(stale)}: the day has passed", "take the line out of GATEPASS_REVIEW_ACCOUNTS")
    if far := [account.address for account in accounts if (account.last_day - today).days > 180]:
        return warn(
            f"{', '.join(far)}: a fixed code for more than half a year", "give a nearer day, and a new code then"
        )
    return ok(f"{len(accounts)}, none past its day" if accounts else "none")


def env_file(_: Settings | None) -> Finding:
    """Whether others on this host can read the secrets."""
    path = Path(".env")
    if not path.is_file():
        return skipped("there is no .env here")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return fail(f".env may be read by others ({mode:04o})", "chmod 600 .env")
    return ok(f".env is its owner's alone ({mode:04o})")


def passlib(_: Settings | None) -> Finding:
    """passlib 1.7 and its kept fork libpass install the same files; whichever came last wins."""
    installed = {(found.metadata["Name"] or "").lower() for found in distributions()}
    if {"passlib", "libpass"} <= installed:
        return fail(
            "passlib is installed beside libpass, and overwrites it",
            "pip uninstall passlib libpass && pip install libpass",
        )
    return ok("libpass alone")


def is_made_up(secret: str) -> bool:
    """Whether *secret* shows that no chance made it: words, a repeated pattern, a row of the alphabet, too few bits."""
    steps = Counter(ord(later) - ord(earlier) for earlier, later in pairwise(secret))
    in_a_row = max(steps.values(), default=0) > len(secret) / 2
    repeats = secret in (secret + secret)[1:-1]
    share = [count / len(secret) for count in Counter(secret).values()]
    bits = -len(secret) * sum(part * math.log2(part) for part in share)
    return bool(_MADE_UP.search(secret)) or in_a_row or repeats or bits < WEAKEST


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether *host* is this one."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _today() -> date:
    return datetime.fromtimestamp(SystemClock().now() / 1000, UTC).date()


WITHOUT_SETTINGS = (env_file, passlib)
CHECKS: tuple[Check, ...] = (
    settings_fit_for_production,
    unknown_settings,
    secret_key,
    admin_token,
    placeholders,
    public_url,
    mail_sender,
    trusted_proxies,
    shown_codes,
    limits,
    review_accounts,
)
