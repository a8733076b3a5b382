#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""generate_policy.py SEED COUNT DIRECTORY: policies of random keys, rules and matchers, and
events.jsonl, random connections that those rules may match. Most are valid: now and then a rule
covers a later one."""

import json
import random
import sys

KEYS = {
    "close.half_close": ["always", "when-unread", "never"],
    "close.drain": ["background", "block", "inline", "none"],
    "close.drain_idle": ["1ms", "250ms", "9s", "90s", "2m"],
    "close.drain_total": ["1s", "1500ms", "60s", "1440m"],
    "close.drain_bytes": ["0", "1", "1023", "64KiB", "1536KiB", "1GiB", "1024GiB"],
    "close.on_limit": ["close", "reset"],
    "close.exit_wait": ["0", "0s", "1m", "60m"],
    "close.max_draining": ["1", "1000000"],
    "close.on_signal": ["none", "TERM", "SIGINT, HUP", "USR1,USR2 ,\n   TERM"],
    "linger.zero": ["forbid", "deny", "log", "allow"],
    "shutdown.both": ["soften", "log", "allow"],
    "listener.backlog": ["log", "drain"],
    "log.events": ["all", "changes", "resets", "none"],
    "log.sites": ["0", "8", "32"],
}
PROGRAMS = ["nginx", "ng*", "/usr/sbin/*", "p?", "[a-c]x", "[!a]*", "\\*", "*", "a b", "\\#x", "x;y"]
OF_PROGRAM = ["close.exit_wait", "close.on_signal"]  # in rules that match by program alone
HOSTS = {4: ["10.0.0.1", "10.0.0.0/8", "10.0.0.0/9", "0.0.0.0/0", "127.0.0.1", "::ffff:10.0.0.1",
             "192.168.1.77/24"],
         6: ["::1", "fd00::/8", "::/0", "[fd00::1]", "[fd00::]/16"]}
PORTS = ["", ":80", ":1-1024", ":443-443", ":0-65535", ":65535"]
PATHS = ["/run/*", "/run/a.sock", "unix:/x?", "@abstract", "unix:@*", "*.sock"]
PROTOS = {4: ["tcp", "mptcp"], 6: ["tcp", "mptcp"], "unix": ["unix"]}
COMMENTS = ["", "", "  ; why", " ;x", "\t; [rule x]"]


def endpoint(chance, family):
    if chance.randrange(12) == 0:
        return "*"
    if family == "unix":
        return chance.choice(PATHS)
    if chance.randrange(6) == 0:
        return chance.choice(PORTS[1:])
    host, port = chance.choice(HOSTS[family]), chance.choice(PORTS)
    if ":" in host and port and not host.startswith("["):
        address, slash, bits = host.partition("/")
        host = f"[{address}]{slash}{bits}"
    return host + port


def join(chance, values):
    out = values[0]
    for value in values[1:]:
        out += chance.choice([",", ", ", " , ", ",\n\t", ",  ; more\n  "]) + value
    return out


def endpoints(chance, families):
    """At least one of each family: local and peer of a rule must not exclude each other."""
    count = chance.choice([0, 0, 1, 4, 60])
    values = [endpoint(chance, chance.choice(families)) for _ in range(count)]
    return values + [endpoint(chance, family) for family in families]


def rule(chance, number):
    """Its matchers, and whether it looks at the program alone."""
    lines, families = {}, chance.choice([[4], [6], ["unix"], [4, 6], [4, 6, "unix"]])
    for name in ("local", "peer"):
        if chance.random() < 0.5:
            lines[name] = endpoints(chance, families)
    if chance.random() < 0.5:
        # a name of its own, so that no earlier rule covers it by chance
        lines["program"] = [*chance.sample(PROGRAMS, chance.randint(0, 3)), f"aa{number}"]
    if chance.random() < 0.5:
        lines["role"] = chance.sample(["accepted", "connected", "inherited", "any"],
                                      chance.randint(1, 3))
    if chance.random() < 0.3:
        lines["proto"] = sorted({word for family in families for word in PROTOS[family]})
    if "peer" in lines and "unix" not in families:
        lines["peer"].append(f":{20000 + number}")
    names = list(lines)
    chance.shuffle(names)
    return [f"{name} = {join(chance, lines[name])}" for name in names], names == ["program"]


def rules(chance):
    made = []
    for number in range(chance.randint(0, 12)):
        matchers, of_program = rule(chance, number)
        keys = [key for key in KEYS if of_program or key not in OF_PROGRAM]
        keys = chance.sample(keys, chance.randint(1, 4))
        made.append([f"[rule {chance.choice(['r', 'a b', 'x-'])}{number}]", *matchers,
                     *(f"{key} = {chance.choice(KEYS[key])}{chance.choice(COMMENTS)}"
                       for key in keys)])
    # Those that match more stand behind: as people write them.
    made.sort(key=lambda lines: -sum(line.startswith(("program", "role", "proto", "local", "peer"))
                                     for line in lines))
    return [line for lines in made for line in lines]


def policy(chance):
    out = [chance.choice(["", "# head", "\ufeff"])]
    sections = {}
    for key in chance.sample(list(KEYS), chance.randint(0, 6)):
        section, name = key.split(".")
        sections.setdefault(section, []).append(
            f"{name} {chance.choice('=:')} {chance.choice(KEYS[key])}{chance.choice(COMMENTS)}")
    for section, lines in sections.items():
        out += [f"[{section}]{chance.choice(COMMENTS)}", *lines, ""]
    out += rules(chance)
    return chance.choice(["\n", "\r\n"]).join("\n".join(out).split("\n"))


def connection(chance):
    """As an event, from which `softclose explain` takes it."""
    if chance.random() < 0.3:
        proto, local, peer = "unix", "unix:/run/a.sock", "unix:@abstract"
    else:
        hosts = ["10.0.0.1", "10.200.0.1", "127.0.0.1", "192.168.1.1", "[::1]", "[fd00::1]",
                 "[fdff::2]", "[::ffff:10.0.0.1]"]
        proto = chance.choice(["tcp", "mptcp"])
        local, peer = (f"{chance.choice(hosts)}:{chance.choice([1, 80, 443, 40000, 65535])}"
                       for _ in range(2))
    return json.dumps({"v": 1, "event": "close", "proto": proto, "local": local, "peer": peer,
                       "exe": chance.choice(["nginx", "px", "ax", "*", "a b", "#x", "x;y"]),
                       "role": chance.choice(["accepted", "connected", "inherited", "any"]),
                       "state": "ESTABLISHED", "holders": "last", "linger": -1,
                       "unread": chance.randrange(2)})


def main():
    seed, count, directory = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for number in range(count):
        # Windows line ends and a byte order mark are part of it.
        with open(f"{directory}/{number}.ini", "w", newline="", encoding="utf-8") as file:
            file.write(policy(random.Random(seed + number)))
    chance = random.Random(seed)
    with open(f"{directory}/events.jsonl", "w", encoding="utf-8") as file:
        file.writelines(connection(chance) + "\n" for _ in range(100))


main()
