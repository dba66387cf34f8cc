// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Counts the mappings of every process by reading mm->map_count, which takes
 * none of its locks and costs the same whatever the count; and counts the
 * calls that the kernel refuses for want of memory or mappings, by process.
 *
 * An iterator over tasks (Linux 5.8) writes a record for each process. The
 * table of refusals is filled, when somebody asks for it, by programs at the
 * end of the six functions (fexit; 5.5, on aarch64 6.0), which cost other calls
 * nothing; or, where the kernel has no trampolines, by one on the raw
 * tracepoint at the end of every system call (5.5).
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "process.bpf.h"
#include "syscall.bpf.h"

#define PF_KTHREAD 0x00200000

/* Of enum mm_counters; the third is of swapped pages. */
#define MM_FILEPAGES  0
#define MM_ANONPAGES  1
#define MM_SHMEMPAGES 3

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/*
 * Ended processes leave their entry, which goes when room is needed. Numbers
 * and addresses of processes are used again at once; no two start in the same
 * nanosecond, or their counts are one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* start of the process */
	__type(value, struct sf_bpf_refusals);
} refused SEC(".maps");

/* Set before the programs are loaded: see cli/pid_ns.h. */
const volatile __u32 proc_above = 0;

/* vm.max_map_count, as far as the reader has told. */
__u32 limit = 0;

/*
 * The number of a thread in the pid namespace of whoever reads, or so many
 * above that one. 0: it has none, because it has just ended.
 */
static __always_inline __u32 number(struct task_struct *task, __u32 above)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct pid *mine = me->thread_pid;
	struct pid *pid = task->thread_pid;
	int nr = 0;

	if (mine == 0 || pid == 0 || above > mine->level)
		return 0;
	bpf_core_read(&nr, sizeof(nr), &pid->numbers[mine->level - above].nr);
	return nr > 0 ? nr : 0;
}

/*
 * The thread that stands for its process: the leader, or, when that has ended
 * before the others, each with an mm; the reader takes the first.
 */
static __always_inline int speaks_for_process(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return task == leader || leader->mm == 0;
}

static __always_inline __s64 value_of(const void *counter)
{
	__s64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), counter);
	return value;
}

/*
 * Pages, without those that threads (before 6.2) or CPUs hold back to add them
 * later: at most 64 for a thread, or for a CPU the larger of 32 and twice the
 * number of CPUs. /proc/PID/status has it the same way until 6.16.
 */
static __always_inline __u64 resident(struct mm_struct *mm)
{
	struct mm_struct___before_6_2 *old = (void *)mm;
	__s64 nr;

	if (bpf_core_field_exists(old->rss_stat.count))
		nr = value_of(&old->rss_stat.count[MM_FILEPAGES].counter) +
		     value_of(&old->rss_stat.count[MM_ANONPAGES].counter) +
		     value_of(&old->rss_stat.count[MM_SHMEMPAGES].counter);
	else
		nr = value_of(&mm->rss_stat[MM_FILEPAGES].count) +
		     value_of(&mm->rss_stat[MM_ANONPAGES].count) +
		     value_of(&mm->rss_stat[MM_SHMEMPAGES].count);
	return nr > 0 ? nr : 0;
}

static __always_inline void add_refusals(struct sf_bpf_process *out)
{
	__u64 key = out->start;
	struct sf_bpf_refusals *r = bpf_map_lookup_elem(&refused, &key);

	if (r != 0)
		__builtin_memcpy(out->refused, r->nr, sizeof(out->refused));
}

SEC("iter/task")
int count(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct task_struct *leader;
	struct sf_bpf_process out = { 0 };
	struct mm_struct *mm;

	if (task == 0 || (task->flags & PF_KTHREAD) != 0)
		return 0;
	mm = task->mm;
	if (mm == 0 || !speaks_for_process(task))
		return 0;
	leader = task->group_leader;
	out.start = leader->start_boottime;
	out.pid = number(leader, 0);
	out.proc_pid = number(leader, proc_above);
	out.tid = number(task, 0);
	out.uid = task->real_cred->euid.val;
	out.cgroups = (__u64)task->cgroups;
	out.mappings = mm->map_count;
	out.rss_pages = resident(mm);
	out.tables_len = mm->pgtables_bytes.counter;
	bpf_core_read(out.comm, sizeof(out.comm), &leader->comm);
	add_refusals(&out);
	/* An mm that the task still has was not freed while we read it. */
	if (out.pid != 0 && *(struct mm_struct *volatile *)&task->mm == mm)
		bpf_seq_write(seq, &out, sizeof(out));
	return 0;
}

static __always_inline void note_refusal(enum sf_call call, int again)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	struct sf_bpf_refusals fresh = { .start = leader->start_boottime };
	__u64 key = fresh.start;
	struct sf_bpf_refusals *r = bpf_map_lookup_elem(&refused, &key);

	if (r == 0) {
		bpf_map_update_elem(&refused, &key, &fresh, BPF_NOEXIST);
		r = bpf_map_lookup_elem(&refused, &key);
	}
	if (r == 0)
		return;
	__sync_fetch_and_add(&r->nr[call], 1);
	if (again)
		__sync_fetch_and_add(&r->nr_again[call], 1);
	bpf_core_read(r->comm, sizeof(r->comm), &leader->comm);
}

/* A call ends; ctx has its registers and its result. */
static __always_inline int note_end(const __u64 *ctx, enum sf_call call)
{
	const struct pt_regs *regs = (const void *)ctx[0];
	long result = (long)ctx[1];

	if (syscall_end(regs, result, call, limit) == SYSCALL_REFUSED)
		note_refusal(call, result == -EAGAIN);
	return 0;
}

/* The whole name depends on the CPU and is given when it is loaded. */
#define AT_END_OF(name, call)               \
	SEC("fexit/sys_" #name)             \
	int end_##name(__u64 *ctx)          \
	{                                   \
		return note_end(ctx, call); \
	}

AT_END_OF(mmap, SF_CALL_MMAP)
AT_END_OF(munmap, SF_CALL_MUNMAP)
AT_END_OF(mprotect, SF_CALL_MPROTECT)
AT_END_OF(mremap, SF_CALL_MREMAP)
AT_END_OF(madvise, SF_CALL_MADVISE)
AT_END_OF(brk, SF_CALL_BRK)

/* In place of them all. */
SEC("tp_btf/sys_exit")
int end_any(__u64 *ctx)
{
	enum sf_call call = syscall_kind((const void *)ctx[0]);

	return call != SF_CALL_NR ? note_end(ctx, call) : 0;
}
