/* SPDX-License-Identifier: MIT */
/* The commands of softclose: one cmd_NAME.c each. */
#ifndef SOFTCLOSE_TOOLS_COMMANDS_H
#define SOFTCLOSE_TOOLS_COMMANDS_H

enum { STATUS_USAGE = 2, STATUS_FAIL_ON = 3, STATUS_FAILED = 125 };

/* argv[0] is the command's name. Each returns the exit status. */
int cmd_run(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* "softclose 0.1.0" on stdout; returns 0. */
int print_version(void);

#endif
