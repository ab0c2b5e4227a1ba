"""The OpenAPI document completed, and the page at /docs that is drawn from it."""

from gatepass.surfaces.docs.document import complete, operation_id
from gatepass.surfaces.docs.router import router

__all__ = ["complete", "operation_id", "router"]
