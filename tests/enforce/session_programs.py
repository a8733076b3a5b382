# SPDX-License-Identifier: MIT
"""Servers for tests/enforce/sessions; what each must have, says session_base."""

import ftplib
import os
import socket
import subprocess
import threading

import lab
import postgres
from session_base import BODY, REQUEST, Base, public
from session_web import Apache, Fpm, Nginx


class Postgres(Base):
    """A process for each session; some of them are ended by the administrator."""

    name, program, package = "PostgreSQL", "pgbench", "postgresql"

    def start(self):
        self.server = postgres.Server(self.link, self.enforce, self.room, self.port)
        self.nears = [self.server.near]

    def session(self):
        session = self.server.session()
        right = all([session.ask(f"select {step}") == str(step) for step in self.steps()])
        session.close()
        return right

    def visit(self, number):
        if number % 2:
            return self.terminated()
        session = self.server.session()
        answer = session.ask("select repeat('x', 100000)")
        session.close()
        return len(answer) == 100000

    def terminated(self):
        session, admin = self.server.session(), self.server.session()
        session.send("select pg_sleep(60)")
        lab.wait_until(lambda: admin.ask("select wait_event from pg_stat_activity "
                                         f"where pid = {session.pid}") == "PgSleep")
        session.send("select 1")
        lab.wait_until(lambda: self.nears[0].unread(session.port) > 0)
        admin.ask(f"select pg_terminate_backend({session.pid})")
        told, end = session.last_words()
        session.close()
        admin.close()
        return told and end == "eof"

    def stir(self, last):
        """pgbench connects anew for each transaction."""
        host, port = self.address
        script = public(self.room, "script", "select 1;\n")
        subprocess.run(["pgbench", "-h", host, "-p", str(port), "-U", "postgres", "-n", "-C", "-c",
                        "4", "-t", "10", "-f", script, "postgres"], check=True,
                       stdout=subprocess.DEVNULL, timeout=120)


class Sshd(Base):
    """sshd executes itself for each connection; visitors that speak something else are sent off."""

    name, program, package = "sshd", "sshd", "openssh-server"

    def start(self):
        os.makedirs("/run/sshd", exist_ok=True)
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                            f"{self.room}/{name}"], check=True)
        # Without PAM sshd lets nobody in whose password is locked.
        locked = any(line.startswith("root:!") for line in open("/etc/shadow"))
        config = lab.write(self.room, "config", "\n".join((
            f"Port {self.port}", f"ListenAddress {self.address[0]}", "StrictModes no",
            f"HostKey {self.room}/host_key", f"AuthorizedKeysFile {self.room}/user_key.pub",
            f"UsePAM {'yes' if locked else 'no'}", "PermitRootLogin prohibit-password",
            "PidFile none", "MaxStartups 100", "")))
        # Another shell for root, so that nobody's start-up files take part.
        with open("/etc/passwd") as file:
            users = [line.rsplit(":", 1)[0] + ":/bin/sh\n" if line.startswith("root:") else line
                     for line in file]
        passwd = lab.write(self.room, "passwd", "".join(users))
        self.nears = [self.near(["unshare", "-m", "sh", "-c",
                                 'mount --bind "$1" /etc/passwd && shift && exec "$@"', "sh", passwd,
                                 lab.find("sshd"), "-D", "-f", config], alone=True)]

    def login(self, command):
        return ["ssh", "-F", "none", "-p", str(self.port), "-i", f"{self.room}/user_key",
                "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o",
                "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                f"root@{self.address[0]}", command]

    def session(self):
        with subprocess.Popen(self.login("cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as ssh:
            right = True
            for step in self.steps():
                print(step, file=ssh.stdin, flush=True)
                right = right and ssh.stdout.readline() == f"{step}\n"
            ssh.stdin.close()
            return right and ssh.wait(30) == 0

    def visit(self, number):
        if number % 2 == 0:
            done = subprocess.run(self.login("echo hello"), capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60)
            return done.stdout == "hello\n"
        with self.connect() as client:
            data, end = lab.talk(client, b"hello\n" + REQUEST)
            return b"Invalid SSH identification string" in data and end == "eof"


class Inetd(Base):
    """One program for each connection, started with it as standard input and output."""

    name, program, package = "inetd", "inetutils-inetd", "inetutils-inetd"
    script = """
read -r line
[ "$line" = session ] && exec cat
cat "$1"
"""

    def start(self):
        body = lab.write(self.room, "body", "x" * BODY)
        self.start_server([lab.write(self.room, "script", self.script), body])

    def start_server(self, words):
        config = lab.write(
            self.room, "inetd.conf",
            f"{self.address[0]}:{self.port} stream tcp nowait.10000 root /bin/sh sh "
            f"{' '.join(words)}\n")
        self.nears = [self.near([self.program, "-d", config], alone=True)]

    def session(self):
        with self.connect() as client:
            client.sendall(b"session\n")
            stream, right = client.makefile("rb"), True
            for step in self.steps():
                client.sendall(b"%d\n" % step)
                right = right and stream.readline() == b"%d\n" % step
            client.shutdown(socket.SHUT_WR)
            return right and lab.read_all(client) == (0, "eof")

    def visit(self, number):
        """The program ends with the second line unread."""
        with self.connect() as client:
            client.sendall(b"visit\n" + (b"more\n" if number % 2 else b""))
            if number % 2 == 0:
                client.shutdown(socket.SHUT_WR)
            return lab.read_all(client) == (BODY, "eof")


class SocketActivate(Inetd):
    """systemd's way to do the same."""

    name, program, package = "socket activation", "systemd-socket-activate", "systemd"

    def start_server(self, words):
        keep = [word for name in ("LD_PRELOAD", "SOFTCLOSE", "SOFTCLOSE_LOG", "ASAN_OPTIONS")
                if self.enforce and (name != "ASAN_OPTIONS" or name in os.environ)
                for word in ("-E", name)]
        self.nears = [self.near(
            [self.program, "-l", f"{self.address[0]}:{self.port}", "--inetd", "-a", *keep,
             "/bin/sh", *words], alone=True)]


class Vsftpd(Base):
    """Two processes for each session, and connections for its data. Its own filter of system calls
    is off: with it this version fails by itself ("500 OOPS: priv_sock_get_cmd")."""

    name, program, package = "vsftpd", "vsftpd", "vsftpd"
    config = """
listen=YES
listen_address={address}
listen_port={port}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={room}/ftp
secure_chroot_dir={room}/empty
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
"""

    def start(self):
        for name in ("ftp", "empty"):
            os.mkdir(f"{self.room}/{name}")
        public(self.room, "ftp/body", "x" * BODY)
        config = self.config.format(address=self.address[0], port=self.port, room=self.room)
        self.nears = [self.near(["vsftpd", public(self.room, "vsftpd.conf", config)])]
        self.stopping = threading.Lock()

    def login(self):
        ftp = ftplib.FTP(timeout=60)
        ftp.connect(*self.address)
        ftp.login()
        return ftp

    def session(self):
        right = True
        with self.login() as ftp:
            for step in self.steps():
                if step % 10 == 0:
                    body = []
                    ftp.retrbinary("RETR body", body.append)
                    right = right and len(b"".join(body)) == BODY
        return right

    def visit(self, number):
        with self.login() as ftp:
            right = ftp.nlst() == ["body"]
        if number % 2 == 0:
            return right
        return right and self.goodbye()

    def goodbye(self):
        """It says goodbye, shuts both halves, and ends later, by exit of both processes, with more
        of its client's words unread. They must be there before it shuts its reading half, and the
        client must not finish before the last process has gone: with its FIN in FIN_WAIT2 the
        connection is over, and nothing is reset."""
        words = b"QUIT\r\n" + b"NOOP\r\n" * 1000
        with self.stopping, self.nears[0].stopped():
            client = self.connect()
            port = client.getsockname()[1]
            client.sendall(words)
            arrived = lab.wait_until(lambda: self.nears[0].unread(port) == len(words))
        with client:
            data, end = lab.talk(client, b"")
            gone = lab.wait_until(lambda: self.nears[0].unread(port) <= 0)
            said = data.startswith(b"220") and b"\r\n221 " in data
            return arrived and gone and said and end == "eof"


PROGRAMS = (Apache, Nginx, Fpm, Postgres, Sshd, Inetd, SocketActivate, Vsftpd)
