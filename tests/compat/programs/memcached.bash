# SPDX-License-Identifier: MIT
# Threads that share one file table, connections handed from one to another.
needs=(memcached)
packages=(memcached)

prepare()
{
    command=(memcached -u nobody -p 8000 -l '127.0.0.1,::1' -t 2)
}

exercise()
{
    serve memcached 8000
}
