# SPDX-License-Identifier: MIT
"""Real servers that answer a POST to /SIZE with an early 413 and a body of SIZE bytes, without
reading the upload: the smallest program or configuration of each."""

import os
from typing import Callable, NamedTuple

import lab

SMALL, LARGE = 200, 512 * 1024
PYTHON = "/usr/bin/python3"

HTTP_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = bytes(int(self.path[1:]))
        self.send_response(413)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
NODE = """
require('http').createServer((request, response) => {
    const size = +request.url.slice(1);
    response.writeHead(413, {'Connection': 'close', 'Content-Length': size});
    response.end(Buffer.alloc(size));
}).listen(+process.argv[2], process.argv[1]);
"""
WEBRICK = """
require 'webrick'
server = WEBrick::HTTPServer.new(BindAddress: ARGV[0], Port: ARGV[1].to_i, AccessLog: [],
                                 Logger: WEBrick::Log.new(File::NULL))
server.mount_proc('/') do |request, response|
  response.status = 413
  response.keep_alive = false
  response.body = 'x' * request.path[1..].to_i
end
server.start
"""
JAVA = """
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
public class Early {
    public static void main(String[] words) throws Exception {
        HttpServer server = HttpServer.create(
            new InetSocketAddress(words[0], Integer.parseInt(words[1])), 50);
        server.createContext("/", exchange -> {
            String path = exchange.getRequestURI().getPath();
            byte[] body = new byte[Integer.parseInt(path.substring(1))];
            exchange.getResponseHeaders().set("Connection", "close");
            exchange.sendResponseHeaders(413, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }
}
"""
WSGI = """
def application(environ, start_response):
    body = bytes(int(environ["PATH_INFO"][1:]))
    start_response("413 Too Large", [("Content-Length", str(len(body))), ("Connection", "close")])
    return [body]
"""
ASGI = """
async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    body = bytes(int(scope["path"][1:]))
    await send({"type": "http.response.start", "status": 413,
                "headers": [(b"content-length", str(len(body)).encode()),
                            (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
"""
HAPROXY = """
global
    tune.bufsize 1048576
defaults
    mode http
    timeout client 2s
    timeout server 2s
    timeout connect 2s
frontend early
    bind {address}:{port}
    http-request return status 413 content-type text/plain file {room}/{small} if {{ path {path} }}
    http-request return status 413 content-type text/plain file {room}/{large}
"""
NGINX = """
daemon off;
pid {room}/nginx.pid;
error_log /dev/null;
user root;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {room}/body;
    server {{
        listen {address}:{port};
        client_max_body_size 1;
        error_page 413 $uri.early;
        location ~ early$ {{ internal; root {room}; }}
        location / {{ root {room}; }}
    }}
}}
"""
APACHE_BASE = """
ServerRoot {room}
ServerName x
PidFile {room}/apache.pid
ErrorLog /dev/null
Listen {address}:{port}
User www-data
Group www-data
LoadModule mpm_{mpm}_module /usr/lib/apache2/modules/mod_mpm_{mpm}.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
DocumentRoot {room}
"""
APACHE = APACHE_BASE + """
<Location /{small}>
    ErrorDocument 413 /{small}.early
    LimitRequestBody 1
</Location>
<Location /{large}>
    ErrorDocument 413 /{large}.early
    LimitRequestBody 1
</Location>
"""


def write(room, name, text):
    """A file that a server under a user of its own can read, too."""
    os.chmod(room, 0o755)
    return lab.write(room, name, text)


def bodies(room, ending=""):
    for size in (SMALL, LARGE):
        write(room, f"{size}{ending}", "x" * size)


def configured(room, name, text, address, port, **more):
    bodies(room, ".early")
    bodies(room)
    return write(room, name, text.format(room=room, address=address, port=port, small=SMALL,
                                         large=LARGE, **more))


def http_server(room, address, port):
    return [PYTHON, write(room, "server.py", HTTP_SERVER), address, str(port)]


def node(room, address, port):
    return ["node", "-e", NODE, address, str(port)]


def webrick(room, address, port):
    return ["ruby", write(room, "server.rb", WEBRICK), address, str(port)]


def java(room, address, port):
    return ["java", write(room, "Early.java", JAVA), address, str(port)]


def gunicorn(room, address, port):
    write(room, "early_wsgi.py", WSGI)
    return ["gunicorn", "--chdir", room, "-b", f"{address}:{port}", "early_wsgi:application"]


def uvicorn(room, address, port):
    write(room, "early_asgi.py", ASGI)
    return ["uvicorn", "--app-dir", room, "--host", address, "--port", str(port), "--log-level",
            "error", "early_asgi:application"]


def haproxy(room, address, port):
    return ["haproxy", "-q", "-f", configured(room, "haproxy.cfg", HAPROXY, address, port,
                                                 path=f"/{SMALL}")]


def busybox(room, address, port):
    return ["busybox", "httpd", "-f", "-p", f"{address}:{port}", "-h", room]


def nginx(room, address, port):
    return ["nginx", "-e", "/dev/null", "-c",
            configured(room, "nginx.conf", NGINX, address, port)]


def apache(room, address, port):
    return ["apache2", "-D", "FOREGROUND", "-f",
            configured(room, "apache.conf", APACHE, address, port, mpm="event")]


class Server(NamedTuple):
    name: str
    program: str                    # looked for in PATH
    package: str                    # Debian's
    command: Callable               # (room, address, port) -> words
    sizes: tuple = (SMALL, LARGE)   # of its answers
    lingers: bool = False           # reads on by itself after its answer: a control
    settings: str = None            # its process ends: the upload may take longer than the default
    waits: bool = False             # for its client, a while: who reads at once has all by then


SERVERS = (
    Server("http.server", PYTHON, "python3", http_server),
    Server("node", "node", "nodejs", node),
    Server("webrick", "ruby", "ruby-webrick", webrick),
    Server("java", "javac", "default-jdk-headless", java),
    Server("gunicorn", "gunicorn", "gunicorn", gunicorn),
    Server("uvicorn", "uvicorn", "uvicorn", uvicorn),
    Server("haproxy", "haproxy", "haproxy", haproxy, waits=True),
    Server("busybox", "busybox", "busybox", busybox, (SMALL,),
           settings="close.exit_wait=30s"),
    Server("nginx", "nginx", "nginx", nginx, lingers=True),
    Server("httpd", "apache2", "apache2-bin", apache, lingers=True),
)
