"""The admin API: everything the command line can do, for scripts and dashboards."""

from pydantic import BaseModel

from gatepass.surfaces.admin import connection, deletion, documentation, events, signing_keys, team_keys
from gatepass.surfaces.admin.documentation import SECURITY_SCHEMES
from gatepass.surfaces.admin.refusals import spell
from gatepass.surfaces.admin.router import router

for _part in (deletion, team_keys, signing_keys, events, connection):
    router.include_router(_part.router)
SCHEMAS: tuple[type[BaseModel], ...] = (*documentation.SCHEMAS, signing_keys.RotateSigningKeys)

__all__ = ["SCHEMAS", "SECURITY_SCHEMES", "router", "spell"]
