/* SPDX-License-Identifier: MIT */
/*
 * kin [--trials N] [--seed N] [--steps N] [--show]: random families of processes open, close, fork,
 * execute, end and are killed, one by one or at the same moment, and of each socket is counted here
 * who has it. Against that is held what the library told each of them:
 *
 *   never "last" while another process that is alive has it;
 *   of those who gave it up at the same moment exactly one "last", when nobody else had it.
 *
 * Where that cannot be known, and only there, "unknown" is right instead of "last": after a member
 * of the family executed another program. A socket that one thread closes while another one forks
 * may be the child's or not: nobody is promised to be its last one, but at most one is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kin_choice.h"

enum { WAIT_MS = 60000 };

struct stage *stage;
int kin_orders[ACTORS][2], kin_answers[2];

static struct {
    unsigned long releases, together, lasts, shared, unknown, asked, forks, kills, executions,
        chances;
    unsigned wrong;
} count;

static int trial_number, step_number;

static void die(const char *what)
{
    fprintf(stderr, "kin: trial %d (--seed %llu --trials 1), step %d: %s: %s\n", trial_number,
            (unsigned long long)trial_seed, step_number, what, strerror(errno));
    for (int i = 0; i < ACTORS; i++)
        if (stage->pids[i] > 0)
            kill(stage->pids[i], SIGKILL);
    exit(2);
}

static void wrong(int which, const char *what)
{
    count.wrong++;
    printf("kin: seed %llu, step %d, socket %d: %s\n", (unsigned long long)trial_seed, step_number,
           which, what);
}

static void await_answers(int answers)
{
    struct pollfd wait = {.fd = kin_answers[0], .events = POLLIN};
    uint8_t who;

    for (; answers > 0; answers--)
        if (poll(&wait, 1, WAIT_MS) != 1 || read(wait.fd, &who, 1) != 1)
            die("no answer");
}

static void await_death(int actor)
{
    int pidfd = pidfd_open(stage->pids[actor], 0);
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};

    if (pidfd >= 0 && poll(&wait, 1, WAIT_MS) != 1)
        die("still alive");
    close(pidfd);
    truth.alive[actor] = false;
    memset(truth.holds[actor], 0, sizeof truth.holds[actor]);
    if (below(2) == 0)
        waitpid(stage->pids[actor], NULL, WNOHANG);
}

static void await_program(int actor)
{
    char path[64], target[256] = "";

    snprintf(path, sizeof path, "/proc/%d/exe", (int)stage->pids[actor]);
    for (int i = 0; i < WAIT_MS && strstr(target, "sleep") == NULL; i++) {
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = '\0';
        if (strstr(target, "sleep") == NULL)
            usleep(1000);
    }
    if (strstr(target, "sleep") == NULL)
        die("not executed");
}

static bool show;

static void show_command(int actor, const struct command *command)
{
    static const char *names[] = {"open",   "close",  "try",  "ask", "fork",
                                  "double", "beside", "exec", "end", "kill"};

    if (show)
        printf("  step %d: %d %s socket %d child %d %d\n", step_number, actor, names[command->verb],
               command->socket, command->child, command->grandchild);
}

static int answers_of(enum verb verb)
{
    switch (verb) {
    case VERB_FORK:
    case VERB_DOUBLE:
    case VERB_CLOSE_BESIDE:
        return 2;
    case VERB_END:
    case VERB_EXEC:
    case VERB_KILL:
        return 0;
    default:
        return 1;
    }
}

/* Who has what when all that were asked have done it. `chance`: children that got it beside
 * its close. */
static void settle(int actor, const struct command *command, int *chance)
{
    switch (command->verb) {
    case VERB_OPEN:
        truth.open[command->socket] = truth.holds[actor][command->socket] = true;
        truth.cloexec[command->socket] = command->cloexec;
        truth.muddy[command->socket] = false;
        break;
    case VERB_CLOSE_BESIDE:
        if (stage->has[command->child][command->socket] != HAS_NOT) {
            chance[command->socket]++;
            count.chances++;
        }
        truth.holds[actor][command->socket] = false;
        /* fall through */
    case VERB_FORK:
        count.forks++;
        truth.alive[command->child] = true;
        memcpy(truth.holds[command->child], truth.holds[actor], sizeof truth.holds[actor]);
        if (command->verb == VERB_CLOSE_BESIDE)
            truth.holds[command->child][command->socket] =
                stage->has[command->child][command->socket] == HAS;
        break;
    case VERB_DOUBLE:
        count.forks += 2;
        truth.alive[command->grandchild] = true;
        memcpy(truth.holds[command->grandchild], truth.holds[actor], sizeof truth.holds[actor]);
        break;
    case VERB_CLOSE:
        truth.holds[actor][command->socket] = false;
        break;
    case VERB_END:
        await_death(actor);
        break;
    case VERB_EXEC:
        count.executions++;
        await_program(actor);
        truth.executed[actor] = truth.lax = true;
        for (int i = 0; i < SOCKETS; i++)
            truth.holds[actor][i] &= !truth.cloexec[i];
        break;
    case VERB_TRY:
    case VERB_ASK:
    case VERB_KILL:
        break;
    }
}

static int holders_of_socket(int which)
{
    int holders = 0;

    for (int i = 0; i < ACTORS; i++)
        holders += truth.alive[i] && truth.holds[i][which];
    return holders;
}

static int told(int which, enum told what)
{
    int actors = 0;

    for (int i = 0; i < ACTORS; i++)
        actors += stage->told[i][which] == what;
    return actors;
}

/* After those who were told it have given it up. `killed`: one was killed meanwhile. */
static void judge_releases(int which, int chance, bool killed)
{
    int holders = holders_of_socket(which), last = told(which, TOLD_LAST);
    int unknown = told(which, TOLD_UNKNOWN), all = told(which, TOLD_SHARED) + last + unknown;

    if (all == 0)
        return;
    count.releases += (unsigned)all;
    count.together += all > 1;
    count.lasts += (unsigned)last;
    count.unknown += (unsigned)unknown;
    count.shared += (unsigned)told(which, TOLD_SHARED);
    truth.muddy[which] |= chance > 0;
    if (last > 1)
        wrong(which, "more than one was told to be the last");
    else if (holders > chance && last > 0)
        wrong(which, "told to be the last while another one has it");
    else if (holders == 0 && last == 0 && !truth.lax && !truth.muddy[which] && !killed)
        wrong(which, "nobody has it, and nobody was told to be the last");
    if (unknown > 0 && !truth.lax)
        wrong(which, "told that it is unknown");
    if (holders == 0)
        truth.open[which] = false;
}

static void judge_question(int which)
{
    bool alone = holders_of_socket(which) == 1;

    count.asked++;
    if (!alone && told(which, TOLD_LAST) > 0)
        wrong(which, "said to be nobody else's while another one has it");
    if (alone && told(which, TOLD_LAST) == 0 && !truth.lax && !truth.muddy[which])
        wrong(which, "nobody else has it, and that was not said");
}

static void kill_actor(int actor)
{
    if (show)
        printf("  step %d: %d killed\n", step_number, actor);
    kill(stage->pids[actor], SIGKILL);
    await_death(actor);
    count.kills++;
}

static void order(int actor, const struct command *command)
{
    uint8_t byte = 0;

    stage->commands[actor] = *command;
    if (write(kin_orders[actor][1], &byte, 1) != 1)
        die("order");
}

static void step(void)
{
    int chance[SOCKETS] = {0};
    bool busy[ACTORS] = {false}, together = below(5) < 2;
    int doers[4], number = 0, answers = 0, wish = (int)below(SOCKETS), victim = -1;

    int idle = 0;

    for (int i = 0; i < ACTORS; i++)
        idle += truth.alive[i] && !truth.executed[i];
    memset(stage->told, 0, sizeof stage->told);
    stage->arrived[0] = stage->arrived[1] = stage->expected = 0;
    for (int i = 0; i < (together ? 2 + (int)below(3) : 1); i++) {
        int actor = someone(busy);
        if (actor < 0)
            break;
        struct command command = invent(actor, idle, together, wish);
        busy[actor] = true;
        if (idle > 2 && victim < 0 && below(20) == 0)
            command.verb = VERB_KILL;
        if (command.verb == VERB_KILL && victim < 0 && idle > 1 && below(3) > 0)
            victim = actor;
        if (command.verb == VERB_KILL)
            continue;
        stage->commands[actor] = command;
        doers[number++] = actor;
        answers += answers_of(command.verb);
        stage->expected += command.verb == VERB_CLOSE_BESIDE ? 2 : together ? 1 : 0;
    }
    for (int i = 0; i < number; i++) {
        struct command command = stage->commands[doers[i]];
        show_command(doers[i], &command);
        order(doers[i], &command);
    }
    if (victim >= 0)
        kill_actor(victim);
    await_answers(answers);
    for (int i = 0; i < number; i++)
        settle(doers[i], &stage->commands[doers[i]], chance);
    enum verb verb = number > 0 ? stage->commands[doers[0]].verb : VERB_KILL;
    if (!together && (verb == VERB_ASK || verb == VERB_TRY)) {
        judge_question(stage->commands[doers[0]].socket);
        return;
    }
    for (int i = 0; i < SOCKETS; i++)
        judge_releases(i, chance[i], victim >= 0);
    for (int i = 0; i < SOCKETS; i++)
        if (holders_of_socket(i) == 0)
            truth.open[i] = false;
}

static void trial(int steps)
{
    memset(&truth, 0, sizeof truth);
    memset(stage, 0, sizeof *stage);
    stage->first_id = 1 + (random_state >> 20);
    truth.alive[0] = true;
    truth.actors = 1;
    if (pipe2(kin_answers, O_CLOEXEC) != 0)
        die("pipe");
    for (int i = 0; i < ACTORS; i++)
        if (pipe2(kin_orders[i], O_CLOEXEC) != 0)
            die("pipe");
    fflush(stdout);
    pid_t first = fork();
    if (first < 0)
        die("fork");
    if (first == 0)
        kin_begin();
    await_answers(1);
    for (step_number = 0; step_number < steps; step_number++)
        step();
    for (int i = 0; i < ACTORS; i++) {
        if (truth.alive[i])
            kill_actor(i);
        close(kin_orders[i][0]);
        close(kin_orders[i][1]);
    }
    close(kin_answers[0]);
    close(kin_answers[1]);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void usage(FILE *file)
{
    fputs("usage: kin [OPTION]...\n"
          "  --trials N  families (200)\n"
          "  --steps N   what each family does (60)\n"
          "  --seed N    of the first family; the next ones count up (the time)\n"
          "  --show      write every step\n"
          "Exit status: 0 nothing found, 1 found, 2 bad usage.\n",
          file);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"trials", required_argument, NULL, 't'}, {"steps", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},   {"show", no_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    uint64_t seed = (uint64_t)time(NULL);
    int trials = 200, steps = 60, option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 't')
            trials = atoi(optarg);
        else if (option == 'n')
            steps = atoi(optarg);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'w')
            show = true;
        else {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        die("start");
    signal(SIGPIPE, SIG_IGN);
    printf("kin: seed %llu, %d families\n", (unsigned long long)seed, trials);
    for (trial_number = 0; trial_number < trials && count.wrong < 20; trial_number++) {
        trial_seed = seed + (uint64_t)trial_number;
        random_state = trial_seed * 0x9e3779b97f4a7c15ull;
        trial(steps);
    }
    printf(
        "kin: %d families, %lu forks, %lu killed, %lu executed: of %lu releases (%lu times several "
        "at once) %lu last, %lu shared, %lu unknown; %lu questions; %lu sockets a child's by "
        "chance; %u wrong\n",
        trial_number, count.forks, count.kills, count.executions, count.releases, count.together,
        count.lasts, count.shared, count.unknown, count.asked, count.chances, count.wrong);
    return count.wrong > 0 ? 1 : 0;
}
