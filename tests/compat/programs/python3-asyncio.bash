# SPDX-License-Identifier: MIT
# Transports closed by the event loop, and others still open when the process ends.
needs=(python3)
packages=(python3)

prepare()
{
    command=(python3 "$here/asyncio_echo.py" 8000)
}

exercise()
{
    serve echo 8000
}
