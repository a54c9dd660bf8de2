"""Where deliveries may go: the form of a URL, and the networks that may be connected to.

The form is checked when a URL is stated; the address is checked when the connection is made, on the very address that
is connected to, so that a name cannot lead elsewhere in between (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from cityloom.core.errors import InvalidInput

if TYPE_CHECKING:
    from cityloom.settings import Settings

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 2_000
PORTS = frozenset({443, 8443})
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_LONGEST_NAME = 253

#: IANA's registries of special-purpose addresses, and what else is nobody's public server. Networks that carry an IPv4
#: address inside (mapped, NAT64, 6to4, Teredo) are refused whole: nobody's webhook needs them.
_REFUSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # A cloud's own services on a public address.
        "168.63.129.16/32",
        "::/127",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


class UrlRefused(InvalidInput):
    """The address cannot be sent to."""


def _refuse(zh: str, en: str) -> UrlRefused:
    return UrlRefused(zh, en, path=("url",))


@dataclass(frozen=True, slots=True)
class Egress:
    """Where this installation lets deliveries go.

    `networks` may be connected to although they are not public: own receivers of the operator, and the machine itself
    in development. `is_strict`: HTTPS only, on the ports 443 and 8443.
    """

    is_strict: bool = True
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Egress:
        """By the settings: in development HTTP and the machine itself are allowed."""
        is_strict = settings.environment != "development"
        stated = [part.strip() for part in settings.webhook_networks.split(",") if part.strip()]
        own = [] if is_strict else ["127.0.0.0/8", "::1/128"]
        return cls(is_strict, tuple(ipaddress.ip_network(text) for text in (*stated, *own)))

    def allows(self, text: str) -> bool:
        """Whether this address may be connected to; it is the numeric form that goes to the kernel."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if any(address in network for network in self.networks):
            return True
        # `is_global` knows what the list does not name, and the list what Python's release does not know yet.
        return address.is_global and not any(address in network for network in _REFUSED)

    def demand_url(self, url: str) -> str:
        """The URL as it was given; refuses (`UrlRefused`) what is malformed, odd, or plainly not public.

        Hosts are names of ASCII letters, digits and hyphens (a Chinese name in its Punycode form), or addresses in
        their one usual spelling.
        """
        if not url.isascii() or not url.isprintable() or any(c in url for c in ' \\"<>^`{|}') or len(url) > LONGEST_URL:
            raise _refuse(
                f"地址须为不超过 {LONGEST_URL} 个 ASCII 字符的 URL(中文域名请使用 Punycode)。",
                f"A URL has at most {LONGEST_URL} ASCII characters; a Chinese domain is written in Punycode.",
            )
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _refuse("地址不是有效的 URL。", "This is not a URL.") from None
        if parts.scheme != "https" and (self.is_strict or parts.scheme != "http"):
            raise _refuse("地址须以 https:// 开头。", "The URL begins with https://.")
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise _refuse(
                "地址中不能包含用户名或密码:请使用自定义请求头。",
                "A URL holds no user name or password: use a custom header.",
            )
        if parts.fragment or "#" in url:
            raise _refuse("地址中不能包含片段(#)。", "A URL has no fragment (#) here.")
        if self.is_strict and (port or 443) not in PORTS:
            raise _refuse("端口须为 443 或 8443。", "The port is 443 or 8443.")
        if port == 0:
            raise _refuse("端口无效。", "There is no such port.")
        self._demand_host(parts.hostname or "", parts.netloc)
        return url

    def _demand_host(self, host: str, netloc: str) -> None:
        address = _literal(host, netloc)
        if address is not None:
            if not self.allows(str(address)):
                raise _refuse("该地址不是公网地址。", "This is not a public address.")
            return
        labels = host.split(".")
        # A last label that begins with a digit is how addresses hide: decimal, octal, hexadecimal, short forms.
        if (
            len(host) > _LONGEST_NAME
            or not all(_LABEL.match(label) for label in labels)
            or labels[-1][0].isdigit()
            or (self.is_strict and (len(labels) == 1 or labels[-1] in {"localhost", "local", "internal", "arpa"}))
        ):
            raise _refuse("主机名无效。", "This host cannot be sent to: write a public domain name.")


def _literal(host: str, netloc: str) -> Address | None:
    """The address that a host is; None for a name, and for every spelling that is not the usual one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    is_bracketed = netloc.startswith("[")
    return address if (address.version == 6) == is_bracketed and "%" not in host else None  # noqa: PLR2004 - IPv6
