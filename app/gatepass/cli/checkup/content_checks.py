"""What is in the database: signing keys, mail that waits, keys and worlds that should be gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import distinct, func, select

from gatepass.cli.checkup.findings import Finding, fail, ok, skipped, warn
from gatepass.core import outbox as core_outbox
from gatepass.core import signing_keys
from gatepass.core.api_keys import Kind, api_keys
from gatepass.core.app_keys import app_key_calls
from gatepass.core.schema import DAY, MINUTE, SECOND
from gatepass.core.server_secret import SealBroken
from gatepass.core.sessions import sessions
from gatepass.core.signing_keys import DEPLOYMENT, Ring
from gatepass.core.teams import teams
from gatepass.core.unit import Unit
from gatepass.core.worlds import worlds

OLD = 365 * DAY
UNUSED_AFTER = 90 * DAY
"""ms after which a key that brought no session is taken for forgotten."""
LATE, STUCK = MINUTE, 5 * MINUTE
RECENT = 500
"""Sessions whose addresses are looked at."""
MANY = 20
"""Users that hardly share one address."""
Check = Callable[[Unit], Awaitable[Finding]]


async def signing_key(unit: Unit) -> Finding:
    """Whether the secret opens what signs, and how old that is."""
    try:
        keys = await signing_keys.keys_of(unit, Ring.ACCESS, DEPLOYMENT)
    except SealBroken:
        return fail(
            "no secret in GATEPASS_SECRET_KEY opens the signing keys", "list the earlier secret after the new one"
        )
    if not keys:
        return ok("none yet; the first sign-in makes one")
    age = (unit.now - max(key.activates_at for key in keys)) // DAY
    if age > OLD // DAY:
        return warn(f"the newest is {age} days old", "gatepass signing-keys rotate")
    return ok(f"{max(age, 0)} days old, and opens")


async def outbox(unit: Unit) -> Finding:
    """Whether mail leaves."""
    age = await core_outbox.oldest_waiting(unit)
    said = f"a mail has waited for {age // SECOND} s"
    if age > STUCK:
        return fail(said, "see that a server runs, and what the check of mail says")
    if age > LATE:
        return warn(said, "look again in a minute, and at mail_not_sent in the log")
    return ok("no mail is late")


async def old_keys(unit: Unit) -> Finding:
    """Secret keys that were never changed."""
    query = (
        select(teams.c.name, api_keys.c.visible)
        .join(teams, teams.c.id == api_keys.c.team_id)
        .where(
            api_keys.c.kind == Kind.SECRET.value,
            api_keys.c.revoked_at.is_(None),
            api_keys.c.created_at < unit.now - OLD,
        )
        .limit(10)
    )
    if found := (await unit.db.execute(query)).all():
        named = ", ".join(f"{row.visible}… of {_plain(row.name)}" for row in found)
        return warn(f"secret keys older than a year: {named}", "gatepass keys create, deploy it, gatepass keys revoke")
    return ok("no secret key is older than a year")


async def unused_keys(unit: Unit) -> Finding:
    """Publishable keys of an environment in which no session is."""
    has_session = (
        select(sessions.c.id)
        .where(sessions.c.team_id == api_keys.c.team_id, sessions.c.environment == api_keys.c.environment)
        .exists()
    )
    query = (
        select(teams.c.name, api_keys.c.visible)
        .join(teams, teams.c.id == api_keys.c.team_id)
        .where(
            api_keys.c.kind == Kind.PUBLISHABLE.value,
            api_keys.c.revoked_at.is_(None),
            api_keys.c.created_at < unit.now - UNUSED_AFTER,
            ~has_session,
        )
        .limit(10)
    )
    if found := (await unit.db.execute(query)).all():
        named = ", ".join(f"{row.visible}… of {_plain(row.name)}" for row in found)
        return warn(
            f"nobody is signed in with these publishable keys: {named}", "gatepass keys revoke, if they are forgotten"
        )
    return ok("none")


async def keys_in_apps(unit: Unit) -> Finding:
    """Secret keys that are shipped inside apps, where anyone can read them."""
    count = await unit.db.scalar(
        select(func.count(distinct(app_key_calls.c.key_id))).where(app_key_calls.c.last_at > unit.now - 30 * DAY)
    )
    if count:
        return warn(f"apps called with {count} secret keys in the last 30 days", "gatepass keys in-apps shows which")
    return ok("no app called with a secret key")


async def client_addresses(unit: Unit) -> Finding:
    """Whether everyone seems to be in one place: a proxy that nobody trusts."""
    newest = (
        select(sessions.c.client_address, sessions.c.user_id)
        .where(sessions.c.client_address.is_not(None))
        .order_by(sessions.c.id.desc())
        .limit(RECENT)
        .subquery()
    )
    query = select(
        func.count(distinct(newest.c.user_id)),
        func.count(distinct(newest.c.client_address)),
        func.max(newest.c.client_address),
    )
    users, addresses, one = (await unit.db.execute(query)).one()
    if users < MANY:
        return skipped(f"too few to tell: {users} users among the latest sessions")
    if addresses == 1:
        return fail(
            f"{users} users signed in from the one address {one}: limits per client hold them all together",
            "name that proxy in GATEPASS_TRUSTED_PROXIES",
        )
    return ok(f"{addresses} addresses of {users} users")


async def leftovers_of_tests(unit: Unit) -> Finding:
    """Worlds that test mode made, and that a deployment should not have."""
    count = await unit.db.scalar(select(func.count()).select_from(worlds))
    if count:
        return fail(f"{count} worlds of test mode are in this database", "give production a database of its own")
    return ok("none")


def _plain(name: str) -> str:
    return name if name.isprintable() else ascii(name)


CHECKS: tuple[Check, ...] = (
    signing_key,
    outbox,
    old_keys,
    unused_keys,
    keys_in_apps,
    client_addresses,
    leftovers_of_tests,
)
