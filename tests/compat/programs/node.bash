# SPDX-License-Identifier: MIT
# libuv closes by syscall(SYS_close); child processes have UNIX socket pairs for standard streams.
needs=(node)
packages=(nodejs)

prepare()
{
    command=(node "$here/server.js" 8000)
}

exercise()
{
    serve http 8000
}
