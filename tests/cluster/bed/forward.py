"""Carries connections from a port on this machine's loopback to an address in another network namespace,
so that kubectl and helm need no namespace: `forward.py LISTEN_PORT PID ADDRESS PORT`. It ends when the
process PID, whose network that is, does. TLS passes through untouched."""

import asyncio
import ctypes
import os
import socket
import sys

CLONE_NEWNET = 0x40000000  # sched.h


async def pump(reader, writer):
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except (ConnectionError, OSError):
        writer.close()


async def serve(listening, pid, address, port):
    async def carry(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(address, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        for end in (writer, far_writer):
            end.close()

    server = await asyncio.start_server(carry, sock=listening)
    async with server:
        while os.path.exists(f"/proc/{pid}"):
            await asyncio.sleep(0.5)


def main():
    port, pid, address, far_port = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(64)
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/net", "rb") as network:
        if libc.setns(network.fileno(), CLONE_NEWNET) != 0:
            sys.exit(f"setns: {os.strerror(ctypes.get_errno())}")
    asyncio.run(serve(listening, pid, address, far_port))


if __name__ == "__main__":
    main()
