/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <inttypes.h>
#include <string.h>

#define X(name, operands) {#name, operands},
static const struct {
    const char *name;
    int operands;
} operations[] = {OPERATIONS(X)};
#undef X

const char *operation_name(enum operation operation)
{
    return operations[operation].name;
}

int operation_operands(enum operation operation)
{
    return operations[operation].operands;
}

void step_text(const struct step *step, char *text, size_t size)
{
    int length = snprintf(text, size, "%s", operation_name(step->operation));

    for (int i = 0; i < operation_operands(step->operation); i++)
        length += snprintf(text + length, size - (size_t)length, " %d", step->operand[i]);
}

void program_write(const struct program *program, FILE *file)
{
    char text[80];

    fprintf(file, "program seed=%" PRIu64 " v6=%d log=%d\n", program->seed, program->v6,
            program->log);
    for (size_t i = 0; i < program->count; i++) {
        step_text(&program->steps[i], text, sizeof text);
        fprintf(file, "%s\n", text);
    }
}

static bool read_step(const char *line, struct step *step)
{
    char name[32] = "";
    int values[OPERANDS] = {0};
    int found = sscanf(line, "%31s %d %d %d", name, &values[0], &values[1], &values[2]) - 1;

    for (int i = 0; i < OPERATION_COUNT; i++) {
        if (strcmp(name, operations[i].name) != 0)
            continue;
        step->operation = (enum operation)i;
        memcpy(step->operand, values, sizeof values);
        return found == operations[i].operands;
    }
    return false;
}

bool program_read(struct program *program, FILE *file, unsigned *line)
{
    char text[160];
    int v6 = 0;

    *program = (struct program){0};
    for (*line = 1; fgets(text, sizeof text, file); (*line)++) {
        if (text[0] == '#' || text[0] == '\n')
            continue;
        if (strncmp(text, "program ", 8) == 0) {
            sscanf(text, "program seed=%" SCNu64 " v6=%d log=%d", &program->seed, &v6,
                   &program->log);
            program->v6 = v6 != 0;
        } else if (program->count == PROGRAM_MOST ||
                   !read_step(text, &program->steps[program->count++])) {
            return false;
        }
    }
    return true;
}

size_t program_skip(const struct program *program, size_t at)
{
    int depth = 0;

    do {
        enum operation operation = program->steps[at++].operation;
        depth += (operation == OP_fork || operation == OP_thread) - (operation == OP_end);
    } while (depth > 0 && at < program->count);
    return at;
}
