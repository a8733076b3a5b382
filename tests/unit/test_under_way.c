/* SPDX-License-Identifier: MIT */
/*
 * The closes that a thread is in, with a handler at each instruction: the trap flag makes the
 * processor raise SIGTRAP after every one.
 */
#include "unit.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "shim/under_way.h"

/* ThreadSanitizer delivers signals late: each would be another instruction. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)

#ifdef __SANITIZE_ADDRESS__
enum { EVERY = 7 }; /* it makes many of one */
#else
enum { EVERY = 1 };
#endif
enum { TRAP_FLAG = 0x100, MOST = 20000, ID_LEFT = 1, ID_OURS, ID_HANDLER, ID_LATER };

/* Frames: an outer close is above an inner one. Of what was left, and of ours. */
static char stack[100];
#define LEFT_FRAME (stack + 50)
#define OUR_FRAME (stack + 90)

static unsigned times_left[256];

static void left(uint64_t id)
{
    times_left[id]++;
}

static volatile unsigned steps, handler_at;
static volatile bool stepping;
static enum { ENDS, IS_LEFT, JUMPS } volatile way; /* of the handler's close; and out of ours */
static const char *volatile handler_frame;
static sigjmp_buf away;

static void on_trap(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;

    (void)number;
    (void)info;
    if (stepping && ++steps == handler_at) {
        under_way_begin(ID_HANDLER, handler_frame, left);
        if (way != IS_LEFT)
            under_way_end(ID_HANDLER, handler_frame, left);
        if (way == JUMPS)
            siglongjmp(away, 1);
    }
    if (stepping && steps < handler_at)
        interrupted->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
    else
        interrupted->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

/* One close in which one before was left, with a handler's close after `at` instructions; false
 * when it has fewer. */
static bool close_with_handler(unsigned at)
{
    memset(times_left, 0, sizeof times_left);
    under_way_begin(ID_LEFT, LEFT_FRAME, left);
    steps = 0;
    handler_at = at;
    if (sigsetjmp(away, 1) == 0) {
        stepping = true;
        raise(SIGTRAP); /* steps from here on */
        under_way_begin(ID_OURS, OUR_FRAME, left);
        under_way_end(ID_OURS, OUR_FRAME, left);
    }
    stepping = false;
    assert_true(at < MOST);
    /* What a handler has left is found by the next close, and then nothing is under way. */
    under_way_begin(ID_LATER, OUR_FRAME, left);
    assert_true(under_way_here(ID_LATER));
    assert_false(under_way_here(ID_LEFT) || under_way_here(ID_OURS) || under_way_here(ID_HANDLER));
    under_way_end(ID_LATER, OUR_FRAME, left);
    assert_false(under_way_here(ID_LATER));
    assert_int_equal(times_left[ID_LATER], 0);
    assert_in_range(times_left[ID_OURS], 0, way == JUMPS);
    assert_in_range(times_left[ID_HANDLER], 0, way == IS_LEFT);
    /* A jump out of the very instructions that tell may lose it. */
    assert_in_range(times_left[ID_LEFT], way != JUMPS, 1);
    return at <= steps;
}

static void test_handlers(void **state)
{
    /* Above and below what was left: the handler finds it itself, or does not. */
    const char *frames[] = {LEFT_FRAME + 20, LEFT_FRAME - 20};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO}, before;
    unsigned instructions = 0, found = 0;

    (void)state;
    sigaction(SIGTRAP, &action, &before);
    for (way = ENDS; way <= JUMPS; way++)
        for (unsigned i = 0; i < COUNT_OF(frames); i++) {
            handler_frame = frames[i];
            for (unsigned at = 2; close_with_handler(at);
                 at += EVERY) { /* 1: raise()'s own signal */
                instructions++;
                found += times_left[ID_HANDLER];
            }
        }
    sigaction(SIGTRAP, &before, NULL);
    assert_true(instructions > 6 * 50 / EVERY);
    assert_true(found > 0);
    printf("a handler's close at each of %u instructions; %u of those left were found\n",
           instructions, found);
}

#else

static void left(uint64_t id)
{
    (void)id;
}

static void test_handlers(void **state)
{
    (void)state;
    skip();
}

#endif

static void test_nested(void **state)
{
    char frames[10];

    (void)state;
    for (unsigned depth = 0; depth < COUNT_OF(frames); depth++) {
        under_way_begin(100 + depth, &frames[9 - depth], left);
        assert_false(under_way_below(100 + depth));
        assert_int_equal(under_way_below(100), depth > 0);
    }
    for (unsigned depth = COUNT_OF(frames); depth-- > 1;) {
        under_way_end(100 + depth, &frames[9 - depth], left);
        assert_int_equal(under_way_below(100), depth > 1);
    }
    under_way_end(100, &frames[9], left);
    under_way_begin(200, &frames[9], left);
    assert_false(under_way_below(100) || under_way_below(200));
    under_way_end(200, &frames[9], left);
}

static sigjmp_buf out;
static unsigned found_left[8];

static void leave(uint64_t id)
{
    if (found_left[id]++ == 0)
        siglongjmp(out, 1);
}

/* A handler's jump out of the midst of a change: deeper closes are noted as ever. */
static void test_left_while_changing(void **state)
{
    static char frames[100];

    (void)state;
    under_way_begin(1, frames + 50, leave);
    if (sigsetjmp(out, 1) == 0)
        under_way_begin(2, frames + 60, leave);
    assert_int_equal(found_left[1], 1);
    under_way_begin(3, frames + 20, leave);
    assert_true(under_way_here(3));
    if (sigsetjmp(out, 1) == 0) /* 3 was left, too */
        under_way_begin(4, frames + 30, leave);
    assert_int_equal(found_left[3], 1);
    under_way_begin(4, frames + 30, leave);
    under_way_end(4, frames + 30, leave);
    assert_false(under_way_here(3) || under_way_here(4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_while_changing),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_handlers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
