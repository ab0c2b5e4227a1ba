"""Live and ready, for whoever restarts and routes; metrics, for whoever watches.

And the plain spelling of refusals outside every dialect.
"""

from gatepass.surfaces.health import metrics
from gatepass.surfaces.health.refusals import spell
from gatepass.surfaces.health.router import router

router.include_router(metrics.router)

__all__ = ["router", "spell"]
