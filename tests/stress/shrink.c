/* SPDX-License-Identifier: MIT */
/* Delta debugging (Zeller, Hildebrandt 2002, without the complements) over steps, then operands. */
#include "lab.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Runs, and a time after which the smallest program so far has to do. */
enum { SECONDS = 40 };
static unsigned budget;
static time_t until;

static bool still(struct lab *lab, const struct program *program, unsigned modes,
                  enum failure wanted)
{
    struct findings findings = {0};
    uint64_t unsteady = 0;
    char why[WHY_ROOM];

    if (budget == 0 || time(NULL) > until)
        return false;
    budget--;
    return lab_try(lab, program, modes, &findings, &unsteady, why) == wanted;
}

static bool without(struct lab *lab, struct program *program, size_t at, size_t count,
                    unsigned modes, enum failure wanted)
{
    struct program *smaller = malloc(sizeof *smaller);

    *smaller = *program;
    memmove(&smaller->steps[at], &smaller->steps[at + count],
            (program->count - at - count) * sizeof *smaller->steps);
    smaller->count -= count;
    bool fails = still(lab, smaller, modes, wanted);
    if (fails)
        *program = *smaller;
    free(smaller);
    return fails;
}

static bool fewer_steps(struct lab *lab, struct program *program, unsigned modes,
                        enum failure wanted)
{
    size_t before = program->count;

    for (size_t size = program->count / 2 + 1; size > 0; size /= 2)
        for (size_t end = program->count; end > 0;) {
            size_t at = end > size ? end - size : 0;
            without(lab, program, at, end - at, modes, wanted);
            end = at;
        }
    return program->count < before;
}

static void smaller_operands(struct lab *lab, struct program *program, unsigned modes,
                             enum failure wanted)
{
    for (size_t i = 0; i < program->count; i++) {
        for (int k = 0; k < operation_operands(program->steps[i].operation); k++) {
            int *operand = &program->steps[i].operand[k], before = *operand;
            if (before == 0 || budget == 0)
                continue;
            *operand = 0;
            if (!still(lab, program, modes, wanted))
                *operand = before;
        }
    }
}

void shrink(struct lab *lab, struct program *program, unsigned modes, enum failure failure)
{
    budget = 1500;
    until = time(NULL) + SECONDS;
    while (fewer_steps(lab, program, modes, failure) && time(NULL) <= until)
        ;
    smaller_operands(lab, program, modes, failure);
    fewer_steps(lab, program, modes, failure);
}
