// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Tells of each memory call that the kernel refuses, with the registers and the
 * top of the stack of its thread, from which the command unwinds; on demand
 * also of calls after which there are more mappings.
 *
 * A call that succeeds must cost next to nothing: nothing is noted when it
 * begins, and at its end the result alone is looked at. As in process.bpf.c the
 * programs are at the end of the six functions (fexit), or on the tracepoint at
 * the end of every call.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "syscall.bpf.h"
#include "trace.bpf.h"

#define PROT_EXEC 4

#define RING_LEN   (8 << 20)
#define NS_LEVELS  32
#define HALF	   8 /* of a ring, in sixteenths */
#define MOST	   14
#define TOLD_FIRST 16 /* long stacks of a place, before they are rationed */
#define TOLD_EVERY 1000000 /* nanoseconds */

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Set before the programs are loaded. */
const volatile __u32 reader_ns = 0; /* inode of its pid namespace */
const volatile __u8 everything = 0; /* not only the target */
const volatile __u8 follow = 0;	    /* the target's children too */
const volatile __u8 splits = 0;	    /* calls that made mappings, too */

/* Set when it is known. */
__u32 target = 0; /* as the reader sees it */

/* vm.max_map_count, as far as the reader has told. */
__u32 limit = 0;

/* Calls that made mappings, and had no room. */
__u64 lost = 0;

/* Refused calls of places that had no room. */
struct sf_trace_count rest[SF_CALL_NR] = { 0 };

/* Calls that failed with ENOMEM, and not for want of mappings. */
__u64 far = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_LEN);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct sf_trace_place);
	__type(value, struct sf_trace_count);
} places SEC(".maps");

/* Processes that descend from the target, by number; the value is the start. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} descendants SEC(".maps");

/* Mappings when the thread's call began; for splits alone. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} begun SEC(".maps");

/* The number of a thread in the reader's pid namespace; 0: it has none. */
static __always_inline __u32 number_for_reader(struct task_struct *task)
{
	struct pid *pid = task->thread_pid;
	unsigned int level;

	if (pid == 0)
		return 0;
	level = pid->level;
	for (unsigned int i = 0; i < NS_LEVELS && i <= level; i++) {
		struct pid_namespace *ns = 0;
		__u32 inum = 0;
		int nr = 0;

		bpf_core_read(&ns, sizeof(ns), &pid->numbers[i].ns);
		bpf_core_read(&inum, sizeof(inum), &ns->ns.inum);
		if (inum != reader_ns)
			continue;
		bpf_core_read(&nr, sizeof(nr), &pid->numbers[i].nr);
		return nr > 0 ? nr : 0;
	}
	return 0;
}

static __always_inline int is_traced(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	__u32 pid = task->tgid;
	__u64 *start;

	if (everything)
		return number_for_reader(leader) != 0;
	if (target == 0)
		return 0;
	if (number_for_reader(leader) == target)
		return 1;
	start = follow ? bpf_map_lookup_elem(&descendants, &pid) : 0;
	return start != 0 && *start == leader->start_boottime;
}

static __always_inline void fill_head(struct sf_trace_head *head,
				      struct task_struct *task, __u32 kind)
{
	head->kind = kind;
	head->stack_len = 0;
	head->time = bpf_ktime_get_ns();
	head->pid = number_for_reader(task->group_leader);
	head->tid = number_for_reader(task);
	head->mappings = task->mm != 0 ? task->mm->map_count : 0;
	head->pad = 0;
	bpf_get_current_comm(head->comm, sizeof(head->comm));
}

/* Copy one part of the stack. Returns whether it could be. */
static __always_inline int copy_part(struct sf_trace_record *record,
				     unsigned int at, unsigned int len)
{
	const char *sp = (const char *)record->regs[SF_TRACE_SP];

	if (bpf_probe_read_user(record->stack + at, len, sp + at) != 0)
		return 0;
	record->head.stack_len += len;
	return 1;
}

/*
 * Copy the top of the stack, at most max bytes, as far as it is resident. Where
 * it ends a smaller part is tried.
 */
static __always_inline void copy_stack(struct sf_trace_record *record,
				       unsigned int max)
{
#pragma unroll
	for (unsigned int at = 0; at < max; at += SF_TRACE_CHUNK) {
		if (copy_part(record, at, SF_TRACE_CHUNK))
			continue;
#pragma unroll
		for (unsigned int i = 0; i < SF_TRACE_CHUNK / SF_TRACE_PIECE;
		     i++) {
			if (!copy_part(record, at + i * SF_TRACE_PIECE,
				       SF_TRACE_PIECE))
				return;
		}
		return;
	}
}

/* A call, with what is common to both forms of its record. */
struct call {
	const struct pt_regs *regs;
	long result;
	struct task_struct *task;
	struct sf_trace_place place;
	struct sf_trace_count count;
};

static __always_inline void fill(struct sf_trace_record *record,
				 const struct call *call)
{
	fill_head(&record->head, call->task, call->place.kind);
	record->place = call->place;
	record->count = call->count;
	record->result = call->result;
	record->first = syscall_first(call->regs);
	bpf_probe_read_kernel(record->regs, sizeof(record->regs), call->regs);
}

#define RECORD_LEN(stack_len) \
	(__builtin_offsetof(struct sf_trace_record, stack) + (stack_len))

/* With so much of its stack, a constant. Returns 0, or 1: no room. */
static __always_inline int tell_with(const struct call *call,
				     unsigned int stack_len)
{
	struct sf_trace_record *record = bpf_ringbuf_reserve(
		&ring, RECORD_LEN(stack_len), 0);

	if (record == 0)
		return 1;
	fill(record, call);
	copy_stack(record, stack_len);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

/* The count of a place; 0: there is no room for more of them. */
static __always_inline struct sf_trace_count *
count_of(const struct sf_trace_place *place)
{
	struct sf_trace_count *count = bpf_map_lookup_elem(&places, place);
	struct sf_trace_count none = { 0 };

	if (count == 0) {
		bpf_map_update_elem(&places, place, &none, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&places, place);
	}
	return count;
}

/* More than so many sixteenths. */
static __always_inline int is_full(unsigned int part)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
	       part * (RING_LEN / 16);
}

/* A long stack tells all; long ones are rationed, and short ones compared. */
static __always_inline int takes_long(struct sf_trace_count *count)
{
	__u64 now = bpf_ktime_get_ns();

	if (count == 0 || is_full(HALF) ||
	    (count->nr_told >= TOLD_FIRST && now - count->told < TOLD_EVERY))
		return 0;
	count->told = now;
	count->nr_told++;
	return 1;
}

/*
 * Calls are summed up where the ring gets full, but for the first of a place:
 * without it nothing could name the others. Those refused are told one by one
 * for longer.
 */
static __always_inline int is_summed_up(const struct call *call,
					struct sf_trace_count *count)
{
	if (!is_full(call->place.kind == SF_TRACE_GREW ? HALF : MOST))
		return 0;
	if (count == 0 || count->nr_told != 0)
		return 1;
	count->nr_told = 1;
	return 0;
}

static __always_inline void add_to(struct sf_trace_count *count,
				   const struct call *call)
{
	__sync_fetch_and_add(&count->calls, 1);
	__sync_fetch_and_add(&count->mappings, call->count.mappings);
	__sync_fetch_and_add(&count->len, call->count.len);
	__sync_fetch_and_add(&count->unreleased, call->count.unreleased);
}

/* Note a call that is not told of, so that the sums are right. */
static __always_inline void sum_up(struct sf_trace_count *count,
				   const struct call *call)
{
	unsigned int nr = call->place.call;

	if (count != 0)
		add_to(count, call);
	else if (call->place.kind == SF_TRACE_REFUSED && nr < SF_CALL_NR)
		add_to(&rest[nr], call);
	else
		__sync_fetch_and_add(&lost, 1);
}

/* How much a refused call was about, as sf_trace_describe() has it. */
static __always_inline void fill_len(struct call *call)
{
	__u64 len = syscall_second(call->regs);

	if (call->place.call == SF_CALL_BRK)
		return;
	call->count.len = len;
	if (call->place.call == SF_CALL_MUNMAP)
		call->count.unreleased = len;
	if (call->place.call != SF_CALL_MREMAP)
		return;
	call->count.len = syscall_third(call->regs);
	if (call->count.len < len)
		call->count.unreleased = len - call->count.len;
}

static __always_inline int tell_now(struct call *call,
				    struct sf_trace_count *count)
{
	if (is_summed_up(call, count))
		return 1;
	if (call->place.kind == SF_TRACE_GREW && count != 0) {
		/* What another CPU adds at this moment is not counted. */
		call->count.calls += count->calls;
		call->count.mappings += count->mappings;
		count->calls = 0;
		count->mappings = 0;
	}
	if (takes_long(count) && tell_with(call, SF_TRACE_LONG) == 0)
		return 0;
	return tell_with(call, SF_TRACE_SHORT);
}

static __always_inline void tell(struct call *call, __u32 kind, enum sf_call nr,
				 __u32 mappings)
{
	struct sf_trace_count *count;
	unsigned long sp = 0;

	call->place.kind = kind;
	call->place.call = nr;
	call->place.pid = call->task->tgid;
	if (kind == SF_TRACE_REFUSED) {
		/* brk() says nothing. */
		call->place.err = nr == SF_CALL_BRK ? ENOMEM : -call->result;
		fill_len(call);
	}
	syscall_where(call->regs, &call->place.ip, &sp);
	bpf_probe_read_user(&call->place.caller, sizeof(call->place.caller),
			    (const void *)sp);
	count = count_of(&call->place);
	call->count.calls = 1;
	call->count.mappings = mappings;
	if (tell_now(call, count) != 0)
		sum_up(count, call);
}

static __always_inline void tell_code(struct task_struct *task)
{
	struct sf_trace_head *head = bpf_ringbuf_reserve(&ring, sizeof(*head),
							 0);

	if (head == 0)
		return;
	fill_head(head, task, SF_TRACE_CODE);
	bpf_ringbuf_submit(head, 0);
}

/* Mappings that this call made, or 0. */
static __always_inline __u32 grown(struct task_struct *task)
{
	__u32 *before = bpf_task_storage_get(&begun, task, 0, 0);
	__u32 now = task->mm != 0 ? task->mm->map_count : 0;
	__u32 nr = 0;

	if (before == 0 || *before == 0)
		return 0;
	nr = now > *before ? now - *before : 0;
	*before = 0;
	return nr;
}

/*
 * Code of a file that a traced process maps is told of, so that its names are
 * known also when it has ended.
 */
static __always_inline int note_end(const __u64 *ctx, enum sf_call nr)
{
	struct call call = { .regs = (const void *)ctx[0],
			     .result = (long)ctx[1] };
	enum syscall_end end = syscall_end(call.regs, call.result, nr, limit);
	__u32 mappings = 0;

	call.task = bpf_get_current_task_btf();
	if (splits)
		mappings = grown(call.task);
	if (end == SYSCALL_REFUSED) {
		if (is_traced(call.task))
			tell(&call, SF_TRACE_REFUSED, nr, mappings);
		return 0;
	}
	if (end == SYSCALL_FAR && is_traced(call.task))
		__sync_fetch_and_add(&far, 1);
	if (nr == SF_CALL_MMAP && !everything &&
	    (syscall_third(call.regs) & PROT_EXEC) != 0 && is_traced(call.task))
		tell_code(call.task);
	if (mappings != 0 && is_traced(call.task))
		tell(&call, SF_TRACE_GREW, nr, mappings);
	return 0;
}

static __always_inline int note_begin(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 *before;

	if (task->mm == 0 || !is_traced(task))
		return 0;
	before = bpf_task_storage_get(&begun, task, 0,
				      BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (before != 0)
		*before = task->mm->map_count;
	return 0;
}

/* The whole name depends on the CPU and is given when it is loaded. */
#define AT_ENDS_OF(name, call)              \
	SEC("fexit/sys_" #name)             \
	int end_##name(__u64 *ctx)          \
	{                                   \
		return note_end(ctx, call); \
	}                                   \
	SEC("fentry/sys_" #name)            \
	int begin_##name(__u64 *ctx)        \
	{                                   \
		(void)ctx;                  \
		return note_begin();        \
	}

AT_ENDS_OF(mmap, SF_CALL_MMAP)
AT_ENDS_OF(munmap, SF_CALL_MUNMAP)
AT_ENDS_OF(mprotect, SF_CALL_MPROTECT)
AT_ENDS_OF(mremap, SF_CALL_MREMAP)
AT_ENDS_OF(madvise, SF_CALL_MADVISE)
AT_ENDS_OF(brk, SF_CALL_BRK)

/* In place of them all. */
SEC("tp_btf/sys_exit")
int end_any(__u64 *ctx)
{
	enum sf_call call = syscall_kind((const void *)ctx[0]);

	return call != SF_CALL_NR ? note_end(ctx, call) : 0;
}

SEC("tp_btf/sys_enter")
int begin_any(__u64 *ctx)
{
	enum sf_call call = syscall_kind((const void *)ctx[0]);

	return call != SF_CALL_NR ? note_begin() : 0;
}

SEC("tp_btf/sched_process_fork")
int note_fork(__u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0];
	struct task_struct *child = (void *)ctx[1];
	__u64 start = child->start_boottime;
	__u32 pid = child->tgid;

	if (child->pid == child->tgid && is_traced(parent))
		bpf_map_update_elem(&descendants, &pid, &start, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int note_exec(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	(void)ctx;
	if (is_traced(task))
		tell_code(task);
	return 0;
}
