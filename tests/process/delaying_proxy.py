#!/usr/bin/python3
"""Passes TCP connections on to where they wanted to go, with every byte some time later, in both directions.

usage: delaying_proxy.py PORT MILLISECONDS

They come to PORT because iptables redirects them (see network_namespaces.sh), and the kernel remembers where to. What
this program sends itself has mark 1, so that it is not redirected again. When it is stopped, what goes through it
stands still; when it is killed, all its connections are closed.
"""
import asyncio
import socket
import struct
import sys

SO_ORIGINAL_DST = 80
SO_MARK = 36
MOST_PIECES_UNDER_WAY = 64  # of up to 64 KiB: more are not read


def wanted_address(connection):
    found = connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    port, host = struct.unpack_from("!2xH4s", found)
    return socket.inet_ntoa(host), port


async def pass_on(reader, writer, delay):
    """Until one end closes or resets its connection, which the other one hears of as late as of everything else."""
    loop = asyncio.get_running_loop()
    under_way = asyncio.Queue(MOST_PIECES_UNDER_WAY)

    async def read():
        piece = True
        while piece:
            try:
                piece = await reader.read(1 << 16)
            except OSError:
                piece = b""
            await under_way.put((loop.time() + delay, piece))

    writer.transport.set_write_buffer_limits(0)  # so that all has been written when it is said that some has
    reading = asyncio.create_task(read())
    try:
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                writer.write_eof()
                return
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass  # the other end is gone
    finally:
        reading.cancel()


async def serve(reader, writer, delay):
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, SO_MARK, 1)
    to_writer = None
    try:
        await asyncio.sleep(delay)
        await asyncio.get_running_loop().sock_connect(connection, wanted_address(writer.get_extra_info("socket")))
        to_reader, to_writer = await asyncio.open_connection(sock=connection)
        await asyncio.gather(pass_on(reader, to_writer, delay), pass_on(to_reader, writer, delay))
    except OSError:
        pass  # nobody is there, which the one that called finds out when its connection is closed
    finally:
        writer.close()
        if to_writer:
            to_writer.close()
        else:
            connection.close()


async def main(port, milliseconds):
    server = await asyncio.start_server(lambda *streams: serve(*streams, milliseconds / 1000), "0.0.0.0", port)
    await server.serve_forever()


if len(sys.argv) != 3:
    sys.exit(__doc__)
asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
