# SPDX-License-Identifier: MIT
# The built-in server; a page that opens a connection of its own and one that forks a shell.
needs=(php)
packages=(php-cli)

prepare()
{
    mkdir -p "$scratch/www"
    cat >"$scratch/www/index.php" <<'PAGE'
<?php
$pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
fwrite($pair[0], "hello\n");
echo fgets($pair[1]);
fclose($pair[0]);
$own = @stream_socket_client('tcp://127.0.0.1:8000');
if ($own) {
    fclose($own);
}
if (!isset($_SERVER['HTTP_CONNECTION'])) {
    echo shell_exec('echo shell');
}
PAGE
    command=(php -S 127.0.0.1:8000 -t "$scratch/www")
    signal=INT
}

exercise()
{
    serve http 8000
}
