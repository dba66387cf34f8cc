/* SPDX-License-Identifier: MIT */
/*
 * A library that has a worker thread, and handlers around fork() that end it
 * and start it again, as OpenBLAS has. It registers them when it is loaded,
 * before any library that is preloaded is initialised.
 */
#ifndef TEST_THREADS_EARLY_H
#define TEST_THREADS_EARLY_H

/* Start the worker. False: it could not. */
int early_start(void);

/* End it. Before it ends it allocates and maps. The number of workers so far. */
int early_stop(void);

#endif
