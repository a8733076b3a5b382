# SPDX-License-Identifier: MIT
# The module from the standard library, ended by SIGINT as at a terminal.
needs=(python3)
packages=(python3)

prepare()
{
    mkdir -p "$scratch/www"
    command=(python3 -m http.server --protocol HTTP/1.1 --directory "$scratch/www" 8000)
    signal=INT
}

exercise()
{
    serve http 8000
}
