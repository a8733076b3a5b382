# SPDX-License-Identifier: MIT
# A client that leaves its connections to the end of the process.
needs=(wget python3)
packages=(wget python3)

prepare()
{
    start_backend 8002
    cat >"$scratch/job" <<'JOB'
base=http://127.0.0.1:8002
for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O /dev/null "$base/small"; done
for i in 1 2 3 4; do wget -q --no-http-keep-alive -O /dev/null http://localhost:8002/small; done
wget -q -O /dev/null "$base/small" "$base/big" "$base/missing" "$base/small"
wget -q --spider "$base/big" "$base/small"
wget -q -t 1 --read-timeout=1 --post-file="$1" -O /dev/null "$base/none"
wget -q -t 1 -O /dev/null http://127.0.0.1:9/ "http://[::1]:8002/small"
true
JOB
    head -c 300000 /dev/zero >"$scratch/upload"
    command=(sh "$scratch/job" "$scratch/upload")
}
