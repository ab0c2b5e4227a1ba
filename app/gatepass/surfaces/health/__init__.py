"""Live and ready, for whoever restarts and routes; and the plain spelling of refusals outside every dialect."""

from gatepass.surfaces.health.refusals import spell
from gatepass.surfaces.health.router import router

__all__ = ["router", "spell"]
