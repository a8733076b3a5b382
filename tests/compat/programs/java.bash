# SPDX-License-Identifier: MIT
# A thread for every connection; connections closed by one thread while another reads from them
# (the JDK puts a marker over the descriptor by dup2), and some left open to the end.
needs=(java javac)
packages=(default-jdk-headless)

prepare()
{
    javac -d "$scratch" "$here/Echo.java"
    command=(java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$scratch" Echo 8000)
}

exercise()
{
    serve echo 8000
}
