"""The Firebase-compatible profile: the same users, sessions and rules, in the words of Google's two hosts.

For Firebase Auth clients pointed at an emulator host, and mobile SDKs from before October 2025 (contract junction,
section 9). The emulator's `Bearer owner` administration does not exist.
"""

from gatepass.surfaces.identity_toolkit.refusals import spell
from gatepass.surfaces.identity_toolkit.router import SECURE_TOKEN, router
from gatepass.surfaces.identity_toolkit.wire import SCHEMAS

__all__ = ["SCHEMAS", "SECURE_TOKEN", "router", "spell"]
