/* SPDX-License-Identifier: MIT */
#include "situations.h"

const struct road roads[] = {
    {"close", "close", false, 0},
    {"close_range", "close_range", false, 0},
    {"closefrom", "closefrom", false, 0},
    {"dup2", "dup2", false, 0},
    {"dup3", "dup3", false, 0},
    {"fclose", "fclose", false, 0},
    {"freopen", "freopen", false, 0},
    {"syscall", "syscall", false, 0},
    {"exit", "exit", true, 3},
    {"_exit", "exit", true, 4},
    {"return", "exit", true, 5},
    {"quick_exit", "exit", true, 6},
    {"exec", "exec", false, 0},
};
const size_t roads_count = sizeof roads / sizeof *roads;
