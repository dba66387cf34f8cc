// SPDX-License-Identifier: MIT
/*
 * The only program of the virtual machine, next to the tests: mounts what they
 * need, runs every file in /tests one after the other, prints
 *
 *	result: NAME STATUS SECONDS
 *
 * after each (STATUS is its exit status, or -signal), and switches off through
 * qemu's isa-debug-exit. Its console is the serial line.
 *
 * The kernel applies most settings itself (sysctl.*, transparent_hugepage=).
 * Two words of its command line reach us in the environment:
 *
 *	TEST_MEMORY_MAX=BYTES	run each test in a memory cgroup this large
 *	TEST_OOM_SCORE_ADJ=N	and with this oom_score_adj
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define DEBUG_EXIT_PORT	 0xf4
#define CGROUP		 "/sys/fs/cgroup/test"
#define SECONDS_PER_TEST 180

/* Say what went wrong and go on: the tests will show whether it matters. */
static void complain(const char *what)
{
	printf("init: %s: %s\n", what, strerror(errno));
}

static void mount_on(const char *type, const char *where)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) != 0)
		complain(where);
}

static void write_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		complain(file);
	if (fd >= 0)
		close(fd);
}

/* A cgroup for the tests, when the command line asks for it. */
static void make_cgroup(void)
{
	const char *limit = getenv("TEST_MEMORY_MAX");

	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (limit == NULL)
		return;
	if (mkdir(CGROUP, 0755) != 0)
		complain(CGROUP);
	write_text(CGROUP "/memory.max", limit);
}

/* In the child: enter the cgroup. */
static void enter_cgroup(void)
{
	const char *adjustment = getenv("TEST_OOM_SCORE_ADJ");

	if (adjustment != NULL)
		write_text("/proc/self/oom_score_adj", adjustment);
	if (getenv("TEST_MEMORY_MAX") != NULL)
		write_text(CGROUP "/cgroup.procs", "0");
}

/* Run one test; a test that hangs is ended by its alarm. */
static void run(const char *name)
{
	char path[300];
	char *args[] = { path, NULL };
	time_t start = time(NULL);
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/tests/%s", name);
	pid = fork();
	if (pid == 0) {
		enter_cgroup();
		setpgid(0, 0);
		alarm(SECONDS_PER_TEST);
		execv(path, args);
		complain(path);
		_exit(127);
	}
	if (pid < 0) {
		complain("fork");
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* What it left behind must not disturb the next. */
	kill(-pid, SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	printf("result: %s %d %ld\n", name,
	       WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status),
	       (long)(time(NULL) - start));
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void power_off(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	if (ioperm(DEBUG_EXIT_PORT, 4, 1) == 0)
		outb(0, DEBUG_EXIT_PORT);
	reboot(RB_POWER_OFF);
}

int main(void)
{
	struct dirent **entries;
	int nr;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setenv("TEST_VM", "1", 1);
	mount_on("proc", "/proc");
	mount_on("sysfs", "/sys");
	mount_on("devtmpfs", "/dev");
	mount_on("devpts", "/dev/pts");
	mount_on("tmpfs", "/dev/shm");
	mount_on("tmpfs", "/tmp");
	mount_on("cgroup2", "/sys/fs/cgroup");
	make_cgroup();
	nr = scandir("/tests", &entries, is_visible, alphasort);
	if (nr < 0)
		complain("/tests");
	for (int i = 0; i < nr; i++)
		run(entries[i]->d_name);
	printf("result: end %d\n", nr);
	power_off();
	return 0;
}
