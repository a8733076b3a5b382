# SPDX-License-Identifier: MIT
# A client, run many times: one file each, many files over kept connections and in parallel, a
# reader that goes away, a refused connection, a name to resolve.
needs=(curl python3)
packages=(curl python3)

prepare()
{
    start_backend 8002
    cat >"$scratch/job" <<'JOB'
base=http://127.0.0.1:8002
for i in 1 2 3 4 5 6 7 8 9 10; do curl -s "$base/small"; done
for i in 1 2 3 4; do curl -s -H 'Connection: close' http://localhost:8002/small; done
curl -s "$base/small" "$base/small" "$base/small" "$base/missing"
curl -s -Z "$base/small" "$base/big" "$base/small" "$base/big"
curl -s "$base/big" | head -c 10
curl -s --max-filesize 100 "$base/big"
curl -s -d @"$1" "$base/none"
curl -s http://127.0.0.1:9/ http://[::1]:8002/small
true
JOB
    head -c 300000 /dev/zero | tr '\0' a >"$scratch/upload"
    command=(sh "$scratch/job" "$scratch/upload")
}
