# SPDX-License-Identifier: MIT
# Master and two workers; a reload in the middle, SIGTERM with connections open at the end.
needs=(nginx)
packages=(nginx)

prepare()
{
    mkdir -p "$scratch/www"
    printf 'hello\n' >"$scratch/www/index.html"
    chmod -R a+rX "$scratch"
    cat >"$scratch/nginx.conf" <<CONF
daemon off;
worker_processes 2;
pid $scratch/nginx.pid;
error_log $scratch/error.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $scratch/body;
    proxy_temp_path $scratch/proxy;
    fastcgi_temp_path $scratch/fastcgi;
    uwsgi_temp_path $scratch/uwsgi;
    scgi_temp_path $scratch/scgi;
    upstream itself { server 127.0.0.1:8001; }
    server { listen 8000; listen [::]:8000; root $scratch/www; location /none { return 413; } }
    server { listen 8001; location / { proxy_pass http://127.0.0.1:8000; } }
}
CONF
    command=(nginx -e "$scratch/error.log" -c "$scratch/nginx.conf")
}

exercise()
{
    local pid worker old
    pid=$(main_pid)
    serve http 8001
    mapfile -t old < <(children "$pid")
    kill -HUP "$pid"
    # An old worker closes kept connections while a new visitor may be about to use them.
    for worker in "${old[@]}"; do
        poll gone "$worker" || return 1
    done
    serve http 8000
}
