/* SPDX-License-Identifier: MIT */
/* Places of related processes: a late word about one that is gone is not taken for its successor.
 */
#include "unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "shim/members.h"

static void nobody_died(void)
{
}

static void test_late_birth(void **state)
{
    struct members *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(shared != MAP_FAILED);
    members_start(shared);
    int place = members_claim(0, nobody_died);
    uint64_t first = members_owner(place);
    members_free(place); /* the child has ended, its parent has not come to tell its pid */
    assert_int_equal(members_claim(0, nobody_died), place);
    uint64_t second = members_owner(place);
    assert_true(second > first);

    members_born(place, first, 4194303);
    assert_int_equal(members_pid(place), 0);
    assert_int_equal(members_life(place, second, nobody_died), MEMBER_ALIVE);
    members_born(place, second, getpid());
    assert_int_equal(members_pid(place), getpid());
    assert_int_equal(members_life(place, second, nobody_died), MEMBER_ALIVE);
    munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_late_birth)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
