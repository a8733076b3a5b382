# SPDX-License-Identifier: MIT
# An event loop, background threads, and a forked child that saves and leaves by _exit.
needs=(redis-server redis-cli)
packages=(redis-server redis-tools)

prepare()
{
    command=(redis-server --port 8000 --dir "$scratch" --unixsocket "$scratch/redis.sock"
             --save '' --daemonize no)
}

exercise()
{
    serve redis 8000
    redis-cli -s "$scratch/redis.sock" set key value >/dev/null
    redis-cli -p 8000 bgsave >/dev/null
    poll redis_saved
    redis-cli -p 8000 client kill type normal skipme yes >/dev/null
    serve redis 8000
}

redis_saved()
{
    redis-cli -p 8000 info persistence | grep -q 'rdb_bgsave_in_progress:0'
}
