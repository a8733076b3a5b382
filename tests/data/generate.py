# SPDX-License-Identifier: MIT
"""Writes a long log: generate.py EVENTS >LOG. The same events in every run; more of them bring no
new call site, peer, program or process, so the memory a report takes must not grow."""
import random
import sys

ENDS = [("released", None), ("none", "finished"), ("fin", None), ("exposed", "peer-open"),
        ("reset", "unread"), ("reset", "linger-zero")]
START = 0x555555554000

chance = random.Random(1)
out = sys.stdout
for pid in range(100, 104):
    out.write('{"v":1,"ts":"2026-11-20T10:00:00.000000000Z","event":"process","pid":%d,"tid":%d,'
              '"exe":"nginx","ppid":1,"path":"/usr/sbin/nginx","mode":"audit","engine":"preload",'
              '"policy":{"path":"built-in","digest":null},"maps":[{"module":"/usr/sbin/nginx",'
              '"base":"0x%x","end":"0x%x","build_id":"00ff00ff"}]}\n'
              % (pid, pid, START, START + 0x100000))
for i in range(int(sys.argv[1])):
    outcome, cause = ENDS[chance.randrange(len(ENDS))]
    frames = 8 if outcome == "reset" else 1
    site = ",".join('"0x%x"' % (START + 0x1000 + 16 * chance.randrange(200)) for _ in range(frames))
    out.write('{"v":1,"ts":"2026-11-20T10:%02d:%02d.%09dZ","event":"close","pid":%d,"tid":%d,'
              '"exe":"nginx","fd":%d,"sock":%d,"proto":"tcp","type":"stream","role":"accepted",'
              '"local":"127.0.0.1:80","peer":"10.0.%d.%d:%d","state":"ESTABLISHED","age_ms":%d,'
              '"rx":%d,"tx":%d,"via":"close","holders":"last","unread":%d,"unsent":%d,"linger":-1,'
              '"peer_fin":false,"urgent":false,"shut":"none","outcome":"%s","cause":%s,'
              '"action":"pass","would":"drain-background","rule":"built-in","took_us":3,'
              '"site":[%s]}\n'
              % (i // 60 % 60, i % 60, i % 1000000000, 100 + i % 4, 100 + i % 4, i % 1000, i + 4000,
                 i % 3, i % 200, 30000 + i % 30000, i % 5000, i % 70000, i % 90000, i % 4096,
                 i % 70000, outcome, "null" if cause is None else '"%s"' % cause, site))
