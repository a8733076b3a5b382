/* SPDX-License-Identifier: MIT */
/* MIB counters of the network namespace: /proc/net/netstat and /proc/net/snmp. */
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The files hold pairs of lines: "Group: Name Name ..." and "Group: 1 2 ...". */
static long counter_in(char *names, char *values, const char *wanted)
{
    char *rest_of_names = NULL, *rest_of_values = NULL;
    char *name = strtok_r(names, " \n", &rest_of_names);
    char *value = strtok_r(values, " \n", &rest_of_values);
    while (name && value) {
        if (strcmp(name, wanted) == 0)
            return strtol(value, NULL, 10);
        name = strtok_r(NULL, " \n", &rest_of_names);
        value = strtok_r(NULL, " \n", &rest_of_values);
    }
    return -1;
}

static long counter(const char *path, const char *group, const char *wanted)
{
    static char names[8192], values[8192];
    long found = -1;
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    while (found < 0 && fgets(names, sizeof names, file) && fgets(values, sizeof values, file))
        if (strncmp(names, group, strlen(group)) == 0)
            found = counter_in(names, values, wanted);
    fclose(file);
    return found;
}

void oracle_counters(struct counters *out)
{
    const char *netstat = "/proc/thread-self/net/netstat";
    out->out_rsts = counter("/proc/thread-self/net/snmp", "Tcp:", "OutRsts");
    out->abort_on_close = counter(netstat, "TcpExt:", "TCPAbortOnClose");
    out->abort_on_data = counter(netstat, "TcpExt:", "TCPAbortOnData");
    out->abort_on_linger = counter(netstat, "TcpExt:", "TCPAbortOnLinger");
    out->fastclose_tx = counter(netstat, "MPTcpExt:", "MPFastcloseTx");
}
