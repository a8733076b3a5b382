#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An echo server with select: lines are answered by the parent, the connections that come with an
# even number by a child of their own. usage: echo.pl PORT
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $ARGV[0], Listen => 32, ReuseAddr => 1
) or die "listen: $@";
my $ready = IO::Select->new($listener);
my $count = 0;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = sub { exit 0 };
system('true');

sub answer {
    my ($connection) = @_;
    my $got = sysread $connection, my $line, 4096;
    return $got && syswrite $connection, $line;
}

while (1) {
    for my $handle ($ready->can_read) {
        if ($handle != $listener) {
            next if answer($handle);
            $ready->remove($handle);
            close $handle;
            next;
        }
        my $connection = $listener->accept or next;
        if (++$count % 2 == 0) {
            my $child = fork;
            if (!defined $child) { die "fork: $!" }
            if ($child == 0) {
                $SIG{TERM} = sub { exit 0 };
                1 while answer($connection);
                exit 0;
            }
            close $connection;
            next;
        }
        $ready->add($connection);
    }
}
