"""What data of unix sockets counts in its sender's buffer (Linux's skb->truesize).

Linux counts the memory a buffer takes, not the bytes in it: head, shared information, whole pages.
Source: sock_alloc_send_pskb, alloc_skb_with_frags, unix_stream_sendmsg, unix_dgram_sendmsg.
"""

from __future__ import annotations

from ring3.abi.hints import Final

PAGE: Final = 4096
SKB: Final = 256
"""sizeof(struct sk_buff), as allocated."""
SHARED: Final = 320
"""What ends the head of a buffer: sizeof(struct skb_shared_info), aligned."""
HEAD: Final = PAGE - SHARED
"""SKB_MAX_HEAD(0): bytes beside which no further page is needed."""
PIECE: Final = HEAD + 32768
"""Most bytes of a stream in one buffer."""
WHOLE: Final = 4 * PAGE - SHARED
"""SKB_MAX_ALLOC: most bytes of a message in the head."""
FRAGMENTS: Final = 17 * PAGE
LEAST_HEAD: Final = 512


def cost(head: int, paged: int) -> int:
    """What a buffer with *head* bytes in its head and *paged* in pages counts (truesize)."""
    allocated = max(1 << (head + SHARED - 1).bit_length(), LEAST_HEAD)
    return SKB + allocated + (paged + PAGE - 1) // PAGE * PAGE


def stream_cost(size: int) -> int:
    paged = max(size - HEAD, 0)
    paged = min(size, (paged + PAGE - 1) // PAGE * PAGE)
    return cost(size - paged, paged)


def message_cost(size: int) -> int:
    paged = (min(max(size - WHOLE, 0), FRAGMENTS) + PAGE - 1) // PAGE * PAGE
    return cost(size - paged, paged)
