# SPDX-License-Identifier: MIT
# Closes one connection with bytes unread (reset, unread), one that the peer has finished (fin),
# and, with an argument, one with SO_LINGER {on, 0} (reset, linger-zero).
use strict;
use warnings;
use Socket;

sub connection {
    socket(my $listener, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    bind($listener, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die "bind: $!";
    listen($listener, 1) or die "listen: $!";
    socket(my $client, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    connect($client, getsockname($listener)) or die "connect: $!";
    accept(my $server, $listener) or die "accept: $!";
    close($listener) or die "close: $!";
    return ($client, $server);
}

# Waits until there is something to read, so that nothing depends on timing.
sub readable {
    my $set = '';
    vec($set, fileno($_[0]), 1) = 1;
    select($set, undef, undef, 30) == 1 or die "nothing came";
}

my ($client, $server) = connection();
syswrite($client, 'x' x 1000) == 1000 or die "write: $!";
readable($server);
close($server) or die "close: $!";
readable($client); # the reset has come
close($client);

($client, $server) = connection();
shutdown($client, 1) or die "shutdown: $!";
readable($server);
sysread($server, my $data, 1) == 0 or die "no end of file";
shutdown($server, 1) or die "shutdown: $!";
close($server) or die "close: $!";
close($client) or die "close: $!";

if (@ARGV) {
    ($client, $server) = connection();
    setsockopt($server, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) or die "setsockopt: $!";
    close($server) or die "close: $!";
    readable($client);
    close($client);
}
