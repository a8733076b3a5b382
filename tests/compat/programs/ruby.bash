# SPDX-License-Identifier: MIT
# WEBrick: a thread for every connection.
needs=(ruby)
packages=(ruby ruby-webrick)

available()
{
    ruby -rwebrick -e ''
}

prepare()
{
    mkdir -p "$scratch/www"
    command=(ruby "$here/webrick.rb" 8000 "$scratch/www")
}

exercise()
{
    serve http 8000
}
