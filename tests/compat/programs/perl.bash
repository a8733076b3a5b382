# SPDX-License-Identifier: MIT
# IO::Socket: a child for every other connection, system() in between, exit with some left open.
needs=(perl)
packages=(perl)

prepare()
{
    command=(perl "$here/echo.pl" 8000)
    whom=all
}

exercise()
{
    serve echo 8000
}
