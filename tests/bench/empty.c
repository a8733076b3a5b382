/* SPDX-License-Identifier: MIT */
/* A preloaded library that does nothing: what loading one more costs. */
extern const int empty_preload;
const int empty_preload = 1;
