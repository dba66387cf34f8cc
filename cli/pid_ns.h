/* SPDX-License-Identifier: MIT */
/* Whether /proc has the process numbers that we have. */
#ifndef SF_CLI_PID_NS_H
#define SF_CLI_PID_NS_H

/*
 * How many pid namespaces the one that /proc shows is above ours; 0: none, or
 * not known. unshare -pf without --mount-proc makes it 1: what is at
 * /proc/PID then is another process than the one that getpid() and kill() call
 * so.
 */
unsigned sf_pid_ns_above(void);

#endif
