"""The admin API: everything the command line can do, for scripts and dashboards."""

from gatepass.surfaces.admin.refusals import spell
from gatepass.surfaces.admin.router import SECURITY_SCHEMES, router

__all__ = ["SECURITY_SCHEMES", "router", "spell"]
