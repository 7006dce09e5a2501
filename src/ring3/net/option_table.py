"""Options of sockets whose value is an int that is kept as it was set.

One line per option: name (of ``abi.socket``, or with its number), rule, default, and who has it.
Rules: ``bool`` keeps 0 or 1; ``bit`` takes nothing but 0 and 1; ``LOW..HIGH`` is a range; ``any``
takes every int; ``none`` can be read only. Behaviour beyond being kept is where the option matters
(``udp``, ``tcp``, ``inet``). Checked against the host by tests/unit/net/test_options.py.
"""

from __future__ import annotations

from ring3.abi import socket as names
from ring3.abi.hints import Final
from ring3.abi.socket import AF_INET6, AF_NETLINK, AF_UNIX, SOCK_DGRAM, SOCK_STREAM

MAX: Final = 0x7FFFFFFF

TABLE: Final = """
SOL_SOCKET
SO_REUSEADDR bool 0 all
SO_DONTROUTE bool 0 all
SO_BROADCAST bool 0 all
SO_KEEPALIVE bool 0 all
SO_NO_CHECK bool 0 all
SO_TIMESTAMP_OLD bool 0 all
SO_TIMESTAMPNS_OLD bool 0 all
SO_RXQ_OVFL bool 0 all
SO_WIFI_STATUS bool 0 all
SO_NOFCS bool 0 all
SO_LOCK_FILTER bool 0 all
SO_SELECT_ERR_QUEUE bool 0 all
SO_PREFER_BUSY_POLL bool 0 all
SO_RCVMARK bool 0 all
SO_REUSEPORT bool 0 inet
SO_PASSCRED bool 0 unix
SO_PASSSEC bool 0 unix
SO_PASSPIDFD bool 0 unix
SO_PASSRIGHTS bool 1 unix
SO_INCOMING_CPU any -1 all
SO_BUSY_POLL 0..MAX 0 all
SO_MAX_PACING_RATE any -1 all
SO_BUF_LOCK 0..3 0 all
SO_BINDTOIFINDEX 0..MAX 0 all
SO_SNDLOWAT none 1 all
SO_BPF_EXTENSIONS none 64 all
SO_INCOMING_NAPI_ID none 0 all
IPPROTO_IP
IP_TTL 1..255 64 inet
IP_RECVOPTS bool 0 inet
IP_RETOPTS bool 0 inet
IP_PKTINFO bool 0 inet
IP_MTU_DISCOVER 0..5 1 inet
IP_RECVERR bool 0 inet
IP_RECVTTL bool 0 inet
IP_RECVTOS bool 0 inet
IP_FREEBIND bool 0 inet
IP_PASSSEC bool 0 inet
IP_RECVORIGDSTADDR bool 0 inet
IP_MINTTL 0..255 0 inet
IP_CHECKSUM bool 0 inet
IP_BIND_ADDRESS_NO_PORT bool 0 inet
IP_RECVFRAGSIZE bool 0 udp
IP_RECVERR_RFC4884 bit 0 inet
IP_MULTICAST_TTL 0..255 1 udp
IP_MULTICAST_LOOP bool 1 inet
IP_LOCAL_PORT_RANGE any 0 inet
IP_HDRINCL none 0 inet
IP_NODEFRAG none 0 inet
IPPROTO_IPV6
IPV6_FLOWINFO bool 0 inet6
IPV6_UNICAST_HOPS 0..255 64 inet6
IPV6_MULTICAST_HOPS 0..255 1 udp6
IPV6_MULTICAST_LOOP bit 1 inet6
IPV6_MTU_DISCOVER 0..5 1 inet6
IPV6_RECVERR bool 0 inet6
IPV6_V6ONLY bool 0 inet6
IPV6_MULTICAST_ALL bool 1 inet6
IPV6_RECVERR_RFC4884 bit 0 inet6
IPV6_FLOWINFO_SEND bool 0 inet6
IPV6_RECVPKTINFO bool 0 inet6
IPV6_RECVHOPLIMIT bool 0 inet6
IPV6_RECVHOPOPTS bool 0 inet6
IPV6_RECVRTHDR bool 0 inet6
IPV6_RECVDSTOPTS bool 0 inet6
IPV6_RECVPATHMTU bool 0 inet6
IPV6_DONTFRAG bool 0 inet6
IPV6_RECVTCLASS bool 0 inet6
IPV6_AUTOFLOWLABEL bool 1 inet6
IPV6_MINHOPCOUNT 0..255 0 inet6
IPV6_RECVORIGDSTADDR bool 0 inet6
IPV6_RECVFRAGSIZE bool 0 inet6
IPV6_FREEBIND bool 0 inet6
IPPROTO_TCP
TCP_NODELAY bool 0 tcp
TCP_CORK bool 0 tcp
TCP_KEEPIDLE 1..32767 7200 tcp
TCP_KEEPINTVL 1..32767 75 tcp
TCP_KEEPCNT 1..127 9 tcp
TCP_SYNCNT 1..127 6 tcp
TCP_QUICKACK bool 1 tcp
TCP_THIN_LINEAR_TIMEOUTS bit 0 tcp
TCP_USER_TIMEOUT 0..MAX 0 tcp
TCP_FASTOPEN 0..MAX 0 tcp
TCP_FASTOPEN_CONNECT bit 0 tcp
TCP_FASTOPEN_NO_COOKIE bit 0 tcp
TCP_NOTSENT_LOWAT any 0 tcp
TCP_SAVE_SYN 0..2 0 tcp
TCP_TX_DELAY 0..MAX 0 tcp
TCP_IS_MPTCP none 0 tcp
IPPROTO_UDP
UDP_CORK bool 0 udp
UDP_GRO bool 0 udp
IPPROTO_UDPLITE
UDPLITE_SEND_CSCOV=10 any 0 udp
UDPLITE_RECV_CSCOV=11 any 0 udp
SOL_NETLINK
NETLINK_PKTINFO bool 0 netlink
NETLINK_BROADCAST_ERROR bool 0 netlink
NETLINK_NO_ENOBUFS bool 0 netlink
NETLINK_CAP_ACK bool 0 netlink
NETLINK_EXT_ACK bool 0 netlink
NETLINK_GET_STRICT_CHK bool 0 netlink
"""

OUR_NAMES: Final = {"SOL_SOCKET": 1, "SOL_NETLINK": 270}


class IntOption:
    """The rule of one option."""

    __slots__ = ("default", "high", "low", "rule", "who")

    def __init__(self, rule: str, default: int, who: str) -> None:
        self.rule = rule if ".." not in rule else "range"
        self.default = default
        self.who = who
        low, _, high = rule.partition("..")
        self.low = int(low) if high else 0
        self.high = MAX if high in ("MAX", "") else int(high)


def read_table(text: str) -> dict[tuple[int, int], IntOption]:
    """(level, name) -> rule, of the lines of *text*."""
    found: dict[tuple[int, int], IntOption] = {}
    level = 0
    for line in text.split("\n"):
        words = line.split()
        if len(words) == 1:
            level = OUR_NAMES[line] if line in OUR_NAMES else getattr(names, line)
        elif words:
            name, rule, default, who = words
            name, _, number = name.partition("=")
            key = int(number) if number else getattr(names, name)
            found[level, key] = IntOption(rule, int(default), who)
    return found


OPTIONS: Final = read_table(TABLE)


def belongs(who: str, domain: int, type_: int) -> bool:
    """True if sockets of *domain* and *type_* have the options of *who*."""
    if who == "all":
        return True
    if domain in (AF_UNIX, AF_NETLINK):
        return who == ("unix" if domain == AF_UNIX else "netlink")
    if who in ("inet6", "udp6") and domain != AF_INET6:
        return False
    if who in ("udp", "udp6"):
        return type_ == SOCK_DGRAM
    return type_ == SOCK_STREAM if who == "tcp" else who in ("inet", "inet6")
