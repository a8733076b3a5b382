/* SPDX-License-Identifier: MIT */
/* What check.c asks of covers.c: which rules match all that another one matches. */
#ifndef SOFTCLOSE_POLICY_COVERS_H
#define SOFTCLOSE_POLICY_COVERS_H

#include "rules.h"

/* Comparing every rule with every earlier one is quadratic, in the values of their lists too. No
 * policy written for a purpose comes near this (1,000 rules with 20 peers each: a fifth of it), and
 * it is spent within a second. */
#define MOST_STEPS UINT64_C(50000000)

/*
 * Which matchers of `narrow` reach beyond those of `wide`, a bit for each enum matcher: 0 when
 * `wide` matches every connection that `narrow` matches. Once there are two, further ones are not
 * looked for.
 */
unsigned rule_beyond(const struct rule *wide, const struct rule *narrow, uint64_t *steps);

/*
 * Do the rules before `narrow` that set `key` and reach as far as it but for one matcher match
 * together what it matches: 10.0.0.0/9 and 10.128.0.0/9 all of 10.0.0.0/8, :1-80 and :81-90 all of
 * :70-85? beyond[N] is rule_beyond() of the N-th rule of the policy and `narrow`.
 */
bool rules_cover_together(const struct policy *policy, const struct rule *narrow,
                          const uint8_t *beyond, enum policy_key key);

#endif
