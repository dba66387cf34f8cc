// SPDX-License-Identifier: MIT
/* The hook of the fault-injecting build, see sys.h; unset, calls go on. */
#include "os/sys.h"

long (*sf_fault_hook)(long nr);
