# SPDX-License-Identifier: MIT
"""An echo server of asyncio streams that also runs a subprocess with pipes.

usage: asyncio_echo.py PORT
"""

import asyncio
import signal
import sys


async def echo(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def main(port):
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    child = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    await child.communicate(b"hello\n")
    server = await asyncio.start_server(echo, ["127.0.0.1", "::1"], port)
    await asked.wait()
    server.close()


asyncio.run(main(int(sys.argv[1])))
