"""Where the platform may send a merchant's webhook: to public addresses by https, and nowhere else.

An address is judged by our own list, not by ``is_private`` and ``is_global`` of the standard library,
which call 100.64.0.1, 64:ff9b::7f00:1, 2002:7f00:1:: or fec0::1 harmless. Pure: imports no framework.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from paymentplatform.kernel.errors import FieldError, InvalidRequest

MAX_URL_LENGTH: Final = 2048
ALLOWED_PORTS: Final = frozenset({443, 8443})

IPAddress = IPv4Address | IPv6Address

_NOT_PUBLIC_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; metadata services of some clouds live here
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent behind a public number
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
"""Global unicast. Everything else (mapped, NAT64, link-local, site-local, unique local …) is outside."""

_NOT_PUBLIC_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address inside
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_LOOPBACK_V4: Final = IPv4Network("127.0.0.0/8")
_LOOPBACK_V6: Final = IPv6Address("::1")

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?P<authority>[^/?]*)(?P<path>/[^?]*)?(?P<query>\?.*)?"
)
_URL_CHARACTERS: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._\-]+)(?::(?P<port>[0-9]{1,5}))?"
)
_NAME: Final = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9\-]{0,61}[a-z0-9])?"
)
_ENDS_IN_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
_INSIDE_NAMES: Final = tuple(
    f".{suffix}"
    for suffix in (
        "arpa",
        "corp",
        "home",
        "internal",
        "intranet",
        "lan",
        "local",
        "localdomain",
        "localhost",
        "onion",
        "private",
    )
)


class UrlRefused(InvalidRequest):
    """The platform does not send to this URL, whatever its name resolves to."""

    title = "This URL cannot receive webhooks"


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL taken apart; ``address`` is set when the host is a literal address that has passed the check."""

    scheme: str
    host: str
    port: int
    target: str
    address: IPAddress | None

    @property
    def host_header(self) -> str:
        """The value of the Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == {"https": 443, "http": 80}[self.scheme] else f"{host}:{self.port}"
        )


def is_public_address(address: IPAddress) -> bool:
    """Tell whether packets to this address leave for the public Internet and reach one host there."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_loopback_address(address: IPAddress) -> bool:
    """Tell whether this is 127.0.0.0/8 or ::1 itself (a mapped form is not)."""
    return address in _LOOPBACK_V4 if isinstance(address, IPv4Address) else address == _LOOPBACK_V6


def check_url(url: str, *, allow_loopback_http: bool, field: str = "url") -> None:
    """Refuse, at registration, a URL that no webhook will ever be sent to.

    Needs no network: a name that resolves to an inside address is found when something is sent to it.
    Raises UrlRefused (400), its error naming ``field``.
    """
    try:
        parse_destination(url, allow_loopback_http=allow_loopback_http)
    except UrlRefused as refused:
        error = FieldError(field, "refused", refused.detail)
        raise UrlRefused(refused.detail, errors=(error,)) from None


def parse_destination(url: str, *, allow_loopback_http: bool) -> Destination:
    """Take a URL apart, strictly: one spelling for one address. Raises UrlRefused.

    ``allow_loopback_http`` (demo and test only) lets plain http reach a literal loopback address on any port.
    """
    if len(url) > MAX_URL_LENGTH:
        raise UrlRefused(f"The URL is longer than {MAX_URL_LENGTH} characters.")
    if _URL_CHARACTERS.fullmatch(url) is None:
        raise UrlRefused("The URL holds a character that a URL without fragment cannot hold.")
    parts = _URL.fullmatch(url)
    authority = _AUTHORITY.fullmatch(parts["authority"]) if parts else None
    if parts is None or authority is None:
        raise UrlRefused("Write the URL as https://host/path, without user name or password.")
    scheme = parts["scheme"].lower()
    host, address = _parse_host(authority["host"])
    loopback = address is not None and is_loopback_address(address)
    if scheme == "http" and allow_loopback_http and loopback:
        port = _parse_port(authority["port"], default=80)
    elif scheme != "https":
        raise UrlRefused("Only https is taken.")
    elif address is not None and not is_public_address(address):
        raise UrlRefused("The address is not a public one.")
    else:
        port = _parse_port(authority["port"], default=443)
        if port not in ALLOWED_PORTS:
            raise UrlRefused("The port must be 443 or 8443.")
    return Destination(
        scheme=scheme,
        host=host,
        port=port,
        target=(parts["path"] or "/") + (parts["query"] or ""),
        address=address,
    )


def _parse_host(text: str) -> tuple[str, IPAddress | None]:
    """Return the host in its one spelling, with the address when it is a literal."""
    if text.startswith("["):
        return _parse_literal(text[1:-1])
    if _ENDS_IN_NUMBER.fullmatch(text):
        return _parse_literal(text)
    name = text.lower()
    if len(name) > 253 or _NAME.fullmatch(name) is None:
        raise UrlRefused("The host must be a full domain name.")
    if name.endswith(_INSIDE_NAMES):
        raise UrlRefused("The host is a name for inside a network.")
    return name, None


def _parse_literal(text: str) -> tuple[str, IPAddress]:
    """Parse a literal address; short, octal, decimal and hexadecimal forms of IPv4 are refused."""
    try:
        address = ip_address(text)
    except ValueError:
        raise UrlRefused("An IP address must be written in its usual full form.") from None
    return str(address), address


def _parse_port(text: str | None, *, default: int) -> int:
    port = default if text is None else int(text)
    if not 1 <= port <= 65535:
        raise UrlRefused("The port is out of range.")
    return port
