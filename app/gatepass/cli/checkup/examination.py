"""Every check, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from gatepass.cli.checkup import content_checks, database_checks, outside_checks, settings_checks
from gatepass.cli.checkup.findings import Finding, State, fail, skipped
from gatepass.cli.failures import sentences
from gatepass.core.errors import Unavailable
from gatepass.settings import MisspeltSetting, Settings, load
from gatepass.wiring import Runtime

LIMIT = 40.0
"""Seconds for one check."""


async def examine() -> AsyncIterator[Finding]:
    """What every check finds, for the deployment that the environment and `.env` describe."""
    for check in settings_checks.WITHOUT_SETTINGS:
        yield check(None).of(check.__name__)
    try:
        settings = load()
    except (ValidationError, MisspeltSetting) as error:
        for said in sentences(error) if isinstance(error, ValidationError) else [str(error)]:
            yield fail(said, "gatepass init writes a .env to start from").of("settings")
        return
    runtime = Runtime(settings)
    try:
        async for finding in examine_deployment(settings, runtime):
            yield finding
    finally:
        await runtime.close()


async def examine_deployment(settings: Settings, runtime: Runtime) -> AsyncIterator[Finding]:
    """The same, for settings that are whole."""
    for check in settings_checks.CHECKS:
        yield check(settings).of(check.__name__)
    async for finding in _of_database(runtime):
        yield finding
    yield await _bounded("mail", outside_checks.mail, settings, runtime.clock)
    yield await _bounded("mail_domain", outside_checks.mail_domain, settings)
    seen = await outside_checks.look(settings)
    yield outside_checks.reached(seen, settings).of("reached")
    yield outside_checks.certificate(seen, runtime.clock).of("certificate")
    yield outside_checks.clock_in_front(seen, runtime.clock).of("clock_in_front")
    yield await _bounded("proxy", outside_checks.proxy, settings)


async def _of_database(runtime: Runtime) -> AsyncIterator[Finding]:
    answers = await _bounded("database", database_checks.database, runtime)
    yield answers
    if answers.state is State.FAIL:
        yield skipped("whatever needs the database").of("database_checks")
        return
    migrated = True
    for check in database_checks.CHECKS:
        finding = await _bounded(check.__name__, check, runtime)
        migrated = migrated and not (check is database_checks.schema and finding.state is State.FAIL)
        yield finding
    if not migrated:
        yield skipped("whatever needs this build's schema").of("content_checks")
        return
    for look in content_checks.CHECKS:
        yield await _bounded(look.__name__, runtime.read, look)


async def _bounded(name: str, check: Callable[..., Awaitable[Finding]], *given: Any) -> Finding:
    """What *check* finds; a check that cannot look says so instead of ending all the others."""
    try:
        async with asyncio.timeout(LIMIT):
            return (await check(*given)).of(name)
    except Unavailable as error:
        return fail(f"the database did not answer: {error}", "see the check of the database").of(name)
    except TimeoutError:
        return fail(f"no answer within {LIMIT:.0f} s", "run it again; something hangs").of(name)
    except Exception as error:
        return fail(f"could not be looked at: {type(error).__name__}", "report this").of(name)
