"""How near a development server may be asked to come: this host, the network it is in, a container beside others.

It shows codes and hands out keys, so it is never for strangers.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from gatepass.cli.output import Failure

_PRIVATE = [ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]
"""RFC 1918 and RFC 4193."""
_BEYOND = ("192.0.2.1", "2001:db8::1")
"""Addresses that no network has (RFC 5737, RFC 3849): the way there leaves through the default route."""


def is_private(address: IPv4Address | IPv6Address) -> bool:
    """Whether only a private network can reach *address*."""
    return any(address in network for network in _PRIVATE)


def is_near(host: str) -> bool:
    """Whether the name *host* can only mean something nearby: loopback, a private address, or a name without a dot."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.endswith(".localhost") or ("." not in host and host != "")
    return address.is_loopback or is_private(address)


def own_addresses() -> Iterator[str]:
    """The addresses that this host has on its way out, IPv4 first. Nothing is sent to find them."""
    for family, beyond in zip((socket.AF_INET, socket.AF_INET6), _BEYOND, strict=True):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((beyond, 9))
            except OSError:
                continue
            yield probe.getsockname()[0]


def lan_address(addresses: Iterable[str]) -> str:
    """The first of *addresses* that is private. Raises Failure where none is."""
    for address in addresses:
        if is_private(ip_address(address)):
            return address
    raise Failure("this host has no private address that other devices could reach", "connect it to their network")


def refuse_far(public_url: str) -> None:
    """Raise Failure where a container's *public_url* names a host that strangers could reach."""
    if not is_near(urlsplit(public_url).hostname or ""):
        raise Failure(
            f"GATEPASS_PUBLIC_URL is {public_url}, and a development server in a container is for its neighbours only",
            "name a loopback or private address, or a host without a dot, such as http://gatepass:8000",
            code=2,
        )


def guidance(url: str) -> str:
    """What to do on a phone: scan *url*, and let the app's debug build speak plain HTTP to its host."""
    import segno

    drawn = io.StringIO()
    segno.make(url, micro=False).terminal(drawn, compact=True, border=2)
    return f"""
Devices on this network reach {url}

{drawn.getvalue().rstrip()}

iOS, in Info.plist of the debug build (from iOS 14 on the app asks its user once):

  <key>NSAppTransportSecurity</key>
  <dict><key>NSAllowsLocalNetworking</key><true/></dict>
  <key>NSLocalNetworkUsageDescription</key><string>Talks to the development server.</string>

Android, in src/debug/res/xml/network_security_config.xml, named in the debug manifest by
<application android:networkSecurityConfig="@xml/network_security_config">:

  <network-security-config>
    <domain-config cleartextTrafficPermitted="true"><domain>{urlsplit(url).hostname}</domain></domain-config>
  </network-security-config>
"""
