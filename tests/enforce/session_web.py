# SPDX-License-Identifier: MIT
"""Web servers for tests/enforce/sessions."""

import os
import signal

import lab
from server_programs import APACHE_BASE
from session_base import BODY, REQUEST, Base, public


def slow_download(client, size, steps):
    """Takes its time: whole, with its end?"""
    client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = b""
    for _ in steps:
        if len(data) < size // 2:
            data += client.recv(4096)
    rest, end = lab.read_all(client)
    head, _, body = data.partition(b"\r\n\r\n")
    return head.startswith(b"HTTP/1.1 200") and (len(body) + rest, end) == (size, "eof")


def talkative(client):
    """Asks, says that this is all, and goes on all the same."""
    data, end = lab.talk(client, b"GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                         + REQUEST)
    return b"hello" in data and end == "eof"


def download(client):
    data, end = lab.talk(client, b"GET /small HTTP/1.0\r\n\r\n")
    return data.endswith(b"hello") and end == "eof"


class Web(Base):
    def session(self):
        with self.connect() as client:
            return slow_download(client, 8 * BODY, self.steps())

    def visit(self, number):
        with self.connect() as client:
            return talkative(client) if number % 2 else download(client)

    def stir(self, last):
        for near in self.nears:
            os.kill(near.process.pid, self.reload)


class Apache(Web):
    """httpd with a process for each connection, each good for three, and a graceful restart."""

    name, program, package, resets = "Apache prefork", "apache2", "apache2-bin", False
    reload = signal.SIGUSR1
    config = APACHE_BASE + """
EnableSendfile off
MaxConnectionsPerChild 3
MaxRequestWorkers 120
"""

    def start(self):
        public(self.room, "large", "x" * 8 * BODY)
        public(self.room, "small", "hello")
        config = self.config.format(room=self.room, address=self.address[0], port=self.port,
                                    mpm="prefork")
        self.nears = [self.near(["apache2", "-D", "FOREGROUND", "-f",
                                 public(self.room, "apache.conf", config)])]


class Nginx(Web):
    """nginx that does not linger, and a reload."""

    name, program, package = "nginx", "nginx", "nginx"
    reload = signal.SIGHUP
    config = """
daemon off;
worker_processes 2;
pid {room}/nginx.pid;
error_log /dev/null;
user www-data;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {room}/body;
    fastcgi_temp_path {room}/fastcgi;
    lingering_close off;
    server {{
        listen {address}:{port};
        root {room};
        {more}
    }}
}}
"""

    def nginx(self, more=""):
        public(self.room, "small", "hello")
        config = self.config.format(room=self.room, address=self.address[0], port=self.port,
                                    more=more)
        return self.near(["nginx", "-e", "/dev/null", "-c",
                          public(self.room, "nginx.conf", config)])

    def start(self):
        public(self.room, "large", "x" * 8 * BODY)
        self.nears = [self.nginx()]


class Fpm(Nginx):
    """PHP-FPM over TCP behind nginx: workers good for three requests, scripts that take long."""

    name, program, package = "PHP-FPM behind nginx", "php-fpm8.2", "php8.2-fpm"
    pool = """
[global]
error_log = /dev/null
process_control_timeout = 20s
[www]
user = www-data
group = www-data
listen = {address}:{port}
pm = dynamic
pm.max_children = 120
pm.start_servers = 4
pm.min_spare_servers = 2
pm.max_spare_servers = 6
pm.max_requests = 3
"""
    script = """<?php
header('X-Accel-Buffering: no');
do {
    echo str_repeat('x', 10000);
    flush();
    usleep(20000);
} while (!file_exists('%s/over'));
echo 'end';
"""

    def start(self):
        public(self.room, "long.php", self.script % self.room)
        public(self.room, "short.php", "hello")
        pool = self.pool.format(address=self.address[0], port=self.port + 40)
        fpm = self.near([self.program, "-F", "-y", public(self.room, "pool.conf", pool)])
        self.nears = [self.nginx(f"""
        location = /large {{
            fastcgi_param REQUEST_METHOD GET;
            fastcgi_pass {self.address[0]}:{self.port + 40};
            fastcgi_param SCRIPT_FILENAME {self.room}/long.php;
        }}
        location = /small {{
            fastcgi_param REQUEST_METHOD GET;
            fastcgi_pass {self.address[0]}:{self.port + 40};
            fastcgi_param SCRIPT_FILENAME {self.room}/short.php;
        }}"""), fpm]
        lab.wait_until(lambda: fpm.listens(self.port + 40))

    def session(self):
        with self.connect() as client:
            client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            data = client.recv(1)
            self.begun.append(True)
            rest, end = lab.talk(client, b"")
            body = (data + rest).partition(b"\r\n\r\n")[2]
            return body.endswith(b"xend") and len(body) % 10000 == 3 and end == "eof"

    def stir(self, last):
        os.kill(self.nears[0].process.pid, signal.SIGHUP)
        if last:  # it waits for its workers, and executes itself: until then it serves nobody
            os.kill(self.nears[1].process.pid, signal.SIGUSR2)
            public(self.room, "over", "")
