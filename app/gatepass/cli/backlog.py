"""The queue at a listening socket: connections that the system has made and no process has taken yet.

Closing the socket resets whoever stands in it, and a proxy does not repeat a POST that was reset. So before a server
stops, the queue is closed to newcomers and emptied. Linux can do that; elsewhere the two functions do nothing.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

_SO_ATTACH_FILTER = 26
_TCP_INFO_SIZE, _UNACKED = 28, 24
"""Of a socket that listens, `tcpi_unacked` is the length of its queue (linux/tcp.h)."""


class _Instruction(ctypes.Structure):
    """`struct sock_filter` (linux/filter.h)."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


_ALL_BUT_NEWCOMERS = (_Instruction * 5)(
    _Instruction(0x30, 0, 0, 13),  # load the TCP flags
    _Instruction(0x54, 0, 0, 0x12),  # SYN and ACK of them
    _Instruction(0x15, 0, 1, 0x02),  # a SYN alone begins a connection:
    _Instruction(0x06, 0, 0, 0),  # drop it; it is sent again in a second, and then refused
    _Instruction(0x06, 0, 0, 0xFFFFFFFF),
)


def close_to_newcomers(listening: socket.socket) -> None:
    """Let nobody join the queue any more, in whichever process the socket is open too."""
    program = struct.pack("HP", len(_ALL_BUT_NEWCOMERS), ctypes.addressof(_ALL_BUT_NEWCOMERS))
    with suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def waiting(listening: socket.socket) -> int:
    """How many connections nobody has taken yet."""
    try:
        told = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        return int(struct.unpack_from("I", told, _UNACKED)[0])
    except (OSError, AttributeError, struct.error):
        return 0
