"""The admin API: everything the command line can do, for scripts and dashboards."""

from gatepass.surfaces.admin.documentation import SCHEMAS, SECURITY_SCHEMES
from gatepass.surfaces.admin.refusals import spell
from gatepass.surfaces.admin.router import router

__all__ = ["SCHEMAS", "SECURITY_SCHEMES", "router", "spell"]
