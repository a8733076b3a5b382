/* SPDX-License-Identifier: MIT */
/*
 * Which socket each descriptor is: the ids, by number. Reading takes no lock; writers of one
 * descriptor take turns. Memory is mapped for 65,536 descriptors at a time, at the first of them
 * that is a socket, and touched lazily: 8 bytes each.
 */
#ifndef SOFTCLOSE_SHIM_DESCRIPTORS_H
#define SOFTCLOSE_SHIM_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/* Maps the first part. False: there is no memory. */
bool descriptors_start(void);

/* The socket's id, 0 = none is known. */
uint64_t descriptors_id(int fd);

/* Forgets what the descriptor stands for, and its state DESCRIPTOR_SOCKET unless that is UNSURE;
 * returns what it was, or 0. `only` restricts that to one socket (0 = any). */
uint64_t descriptors_take(int fd, uint64_t only);

/* False when there is no memory for it or no lock to be had. */
bool descriptors_put(int fd, uint64_t id);

/* All of them, in the child of a fork that nobody prepared. */
void descriptors_forget(void);

#endif
