# SPDX-License-Identifier: MIT
# A child for every connection; multiprocessing passes sockets over UNIX sockets.
needs=(python3)
packages=(python3)

prepare()
{
    command=(python3 "$here/socketserver_echo.py" 8000)
    whom=all
}

exercise()
{
    serve echo 8000
}
