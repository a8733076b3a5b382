# SPDX-License-Identifier: MIT
# Master and worker (the master execs itself, listeners are inherited), a backend with connections
# that are kept and used again, health checks that end with linger 0.
needs=(haproxy python3)
packages=(haproxy python3)

prepare()
{
    start_backend 8002
    cat >"$scratch/haproxy.cfg" <<CONF
global
    nbthread 2
    hard-stop-after 1s
    stats socket $scratch/stats.sock
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend web
    bind 127.0.0.1:8000
    http-request deny deny_status 413 if { path /none }
    default_backend files
backend files
    server one 127.0.0.1:8002 check inter 200ms
CONF
    command=(haproxy -W -f "$scratch/haproxy.cfg")
    signal=USR1
}

exercise()
{
    serve http 8000
}
