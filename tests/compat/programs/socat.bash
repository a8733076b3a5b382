# SPDX-License-Identifier: MIT
# One child for every connection, each with a program behind a socket pair; before that a relay
# from TCP to a seqpacket socket.
needs=(socat)
packages=(socat)

prepare()
{
    cat >"$scratch/job" <<'JOB'
socat UNIX-LISTEN:"$1/packets,socktype=5" EXEC:cat &
until [ -S "$1/packets" ]; do sleep 0.05; done
echo hello | socat -t 5 - UNIX-CONNECT:"$1/packets,socktype=5"
wait
exec socat -t 5 TCP-LISTEN:8000,bind=127.0.0.1,reuseaddr,fork,backlog=32 EXEC:cat
JOB
    command=(sh "$scratch/job" "$scratch")
    whom=all
}

exercise()
{
    serve echo 8000
}
