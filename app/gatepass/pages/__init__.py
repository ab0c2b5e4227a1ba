"""What every page is made with: templates, headers, cookies, forms. It knows no surface."""

from gatepass.pages.assets import router
from gatepass.pages.forms import Form
from gatepass.pages.site import Site

__all__ = ["Form", "Site", "router"]
