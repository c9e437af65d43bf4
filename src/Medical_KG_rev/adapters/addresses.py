"""Which hosts a URL may lead to, and requests that go to the very address that was looked at."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping

import httpx

Resolve = Callable[[str, int], list[str]]
"""Host and port to IP addresses; raises OSError when there are none."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def resolve(host: str, port: int) -> list[str]:
    """The addresses that a connection to this host would try."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open internet; addresses that embed another one are judged by that too."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            embedded.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if any(inner is not None and not is_public(str(inner)) for inner in embedded):
            return False
        if ip.ipv4_mapped is not None:
            return True
    return ip.is_global and not ip.is_multicast


def public_addresses(host: str, port: int, resolve: Resolve = resolve) -> list[str]:
    """The addresses of a host, of which each is public.

    Raises:
        OSError: the host has no address.
        ValueError: says which address is not public.
    """
    found = resolve(host, port)
    private = [address for address in found if not is_public(address)]
    if private or not found:
        raise ValueError(f"{', '.join(private) or 'it'} is not a public address")
    return found


def pinned_request(client: httpx.Client, url: httpx.URL, address: str, headers: Mapping[str, str] | None = None) -> httpx.Request:
    """A GET that connects to ``address``, while header and TLS name the URL's own host: no second look-up can lead elsewhere."""
    return client.build_request(
        "GET",
        url.copy_with(host=address),
        headers={**(headers or {}), "Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.host},
    )
