// SPDX-License-Identifier: MIT
/* Looking at programs, see program.h. */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_SCRIPTS 4 /* interpreters of interpreters; the kernel allows 5 */
#define NT_GO_BUILD 4
#define GO_INFO	    "\xff Go buildinf:" /* its linker writes, too */
#define GO_ALIGN    16

/* Words that are repeated. */
#define NOT_REACHED "LD_PRELOAD does not reach it"

/*
 * Finding
 */

/* 0, -ENOENT or -EACCES. */
static int may_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -ENOENT;
	return S_ISREG(st.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

int sf_program_find(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	size_t name_len = strlen(name);
	int result = -ENOENT;

	if (strchr(name, '/') != NULL) {
		if (name_len >= PATH_MAX)
			return -ENOENT;
		memcpy(path, name, name_len + 1);
		return may_run(path);
	}
	if (dirs == NULL)
		dirs = "/bin:/usr/bin";
	while (name[0] != '\0') {
		int len = (int)strcspn(dirs, ":");
		int need = snprintf(path, PATH_MAX, "%.*s%s%s", len, dirs,
				    len > 0 ? "/" : "./", name);

		if (need < PATH_MAX && may_run(path) == 0)
			return 0;
		if (need < PATH_MAX && may_run(path) == -EACCES)
			result = -EACCES;
		if (dirs[len] == '\0')
			break;
		dirs += len + 1;
	}
	return result;
}

/*
 * Looking
 */

struct program {
	int fd;
	const char *path;
	ElfW(Ehdr) head;
	char interp[PATH_MAX]; /* "" : none */
	bool is_go;
	ElfW(Phdr) dynamic; /* p_filesz 0: none */
};

static bool read_at(const struct program *p, void *buf, size_t len,
		    size_t offset)
{
	return pread(p->fd, buf, len, (off_t)offset) == (ssize_t)len;
}

/* A note's name or description in the file, with what it is padded by. */
static size_t padded(size_t len, size_t align)
{
	return (len + align - 1) / align * align;
}

/* Whether a segment of notes has the one that Go's linker writes. */
static bool has_go_note(const struct program *p, const ElfW(Phdr) * segment)
{
	size_t align = segment->p_align == 8 ? 8 : 4;
	struct {
		ElfW(Nhdr) head;
		char name[4];
	} note;

	for (size_t at = 0; at + sizeof(note) <= segment->p_filesz;
	     at += sizeof(note.head) + padded(note.head.n_namesz, align) +
		   padded(note.head.n_descsz, align)) {
		if (!read_at(p, &note, sizeof(note), segment->p_offset + at))
			return false;
		if (note.head.n_type == NT_GO_BUILD &&
		    note.head.n_namesz == 4 && memcmp(note.name, "Go", 3) == 0)
			return true;
	}
	return false;
}

/* What Go's linker wrote in the first 64 KiB of data, where Go looks for it. */
static bool has_go_info(const struct program *p, const ElfW(Phdr) * segment)
{
	static char data[65536];
	size_t len = segment->p_filesz < sizeof(data) ? segment->p_filesz :
							sizeof(data);

	if (!read_at(p, data, len, segment->p_offset))
		return false;
	for (size_t i = -segment->p_vaddr % GO_ALIGN; i + GO_ALIGN <= len;
	     i += GO_ALIGN)
		if (memcmp(data + i, GO_INFO, strlen(GO_INFO)) == 0)
			return true;
	return false;
}

/* Whether a name in the file is this one. */
static bool is_named(const struct program *p, size_t offset, const char *name)
{
	char there[32];
	size_t len = strlen(name) + 1;

	return len <= sizeof(there) && read_at(p, there, len, offset) &&
	       memcmp(there, name, len) == 0;
}

/* Whether there is a section that only Go's linker makes. */
static bool has_go_section(const struct program *p)
{
	ElfW(Shdr) names;
	ElfW(Shdr) section;
	size_t name;

	if (!read_at(p, &names, sizeof(names),
		     p->head.e_shoff + p->head.e_shstrndx * sizeof(names)))
		return false;
	for (size_t i = 0; i < p->head.e_shnum; i++) {
		if (!read_at(p, &section, sizeof(section),
			     p->head.e_shoff + i * sizeof(section)))
			return false;
		name = names.sh_offset + section.sh_name;
		if (is_named(p, name, ".go.buildinfo") ||
		    is_named(p, name, ".gopclntab"))
			return true;
	}
	return false;
}

static void look_at_segment(struct program *p, const ElfW(Phdr) * segment)
{
	if (segment->p_type == PT_INTERP &&
	    segment->p_filesz <= sizeof(p->interp) &&
	    read_at(p, p->interp, segment->p_filesz, segment->p_offset))
		p->interp[sizeof(p->interp) - 1] = '\0';
	if (segment->p_type == PT_NOTE && has_go_note(p, segment))
		p->is_go = true;
	if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) != 0 &&
	    has_go_info(p, segment))
		p->is_go = true;
	if (segment->p_type == PT_DYNAMIC)
		p->dynamic = *segment;
}

static bool read_segment(const struct program *p, size_t i,
			 ElfW(Phdr) * segment)
{
	return i < p->head.e_phnum &&
	       read_at(p, segment, sizeof(*segment),
		       p->head.e_phoff + i * sizeof(*segment));
}

static void look_at_segments(struct program *p)
{
	ElfW(Phdr) segment;

	for (size_t i = 0; read_segment(p, i, &segment); i++)
		look_at_segment(p, &segment);
}

/*
 * What it needs
 */

/* Where in the file an address is; 0: nowhere. */
static size_t offset_of(const struct program *p, size_t addr)
{
	ElfW(Phdr) segment;

	for (size_t i = 0; read_segment(p, i, &segment); i++)
		if (segment.p_type == PT_LOAD && addr >= segment.p_vaddr &&
		    addr - segment.p_vaddr < segment.p_filesz)
			return segment.p_offset + (addr - segment.p_vaddr);
	return 0;
}

/* The value of the nth entry of a kind; 0: there is none. */
static size_t dynamic_value(const struct program *p, long tag, size_t n)
{
	ElfW(Dyn) entry;

	for (size_t at = 0; at + sizeof(entry) <= p->dynamic.p_filesz;
	     at += sizeof(entry)) {
		if (!read_at(p, &entry, sizeof(entry),
			     p->dynamic.p_offset + at) ||
		    entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == tag && n-- == 0)
			return entry.d_un.d_val;
	}
	return 0;
}

/* Whether it needs a library whose name begins with one of the two. */
static bool needs(const struct program *p, const char *a, const char *b)
{
	size_t names = offset_of(p, dynamic_value(p, DT_STRTAB, 0));
	char name[32] = "";
	size_t at;

	for (size_t n = 0; (at = dynamic_value(p, DT_NEEDED, n)) != 0; n++)
		if (pread(p->fd, name, sizeof(name), (off_t)(names + at)) > 0 &&
		    (strncmp(name, a, strlen(a)) == 0 ||
		     strncmp(name, b, strlen(b)) == 0))
			return true;
	return false;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* Reads what this program itself is, once. */
static const struct program *own(void)
{
	static struct program p;

	if (p.path != NULL)
		return &p;
	p.path = "/proc/self/exe";
	p.fd = open(p.path, O_RDONLY | O_CLOEXEC);
	if (p.fd >= 0 && read_at(&p, &p.head, sizeof(p.head), 0))
		look_at_segments(&p);
	if (p.fd >= 0)
		close(p.fd);
	return &p;
}

static bool is_same_kind(const ElfW(Ehdr) * a, const ElfW(Ehdr) * b)
{
	return a->e_ident[EI_CLASS] == b->e_ident[EI_CLASS] &&
	       a->e_ident[EI_DATA] == b->e_ident[EI_DATA] &&
	       a->e_machine == b->e_machine;
}

/*
 * A change of user, group or capabilities at its start: secure execution. There
 * is none where the file system or this process rules it out.
 */
static bool gains_rights(const struct program *p)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(p->fd, &st) != 0 ||
	    (fstatvfs(p->fd, &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0) ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false;
	if ((st.st_mode & S_ISUID) != 0 && st.st_uid != getuid())
		return true;
	if ((st.st_mode & S_ISGID) != 0 && st.st_gid != getgid())
		return true;
	return getuid() != 0 &&
	       fgetxattr(p->fd, "security.capability", NULL, 0) > 0;
}

static const char *say(char *buf, size_t buf_len, const char *path,
		       const char *cause)
{
	snprintf(buf, buf_len, "'%s' %s", path, cause);
	return buf;
}

static const char *objection_to_elf(struct program *p, bool with_malloc,
				    char *buf, size_t buf_len)
{
	const char *cause = NULL;

	if (!is_same_kind(&p->head, &own()->head))
		return say(buf, buf_len, p->path,
			   "is for another machine; use the surefree that is "
			   "built for it");
	look_at_segments(p);
	if (gains_rights(p))
		cause = "is setuid, setgid or has capabilities: " NOT_REACHED
			"; run it as the user that it becomes";
	else if (p->is_go || has_go_section(p))
		cause = "is a Go program, whose memory comes from system calls "
			"of its own: " NOT_REACHED ", only its parts in C";
	else if (p->interp[0] == '\0' &&
		 strcmp(base_name(p->path), base_name(own()->interp)) != 0)
		cause = "is linked statically: " NOT_REACHED
			"; link it dynamically, or with libsurefree";
	else if (p->interp[0] != '\0' &&
		 strcmp(base_name(p->interp), base_name(own()->interp)) != 0)
		cause = "has another C library than glibc; surefree must be "
			"built with that one";
	else if (needs(p, "libasan.so", "libclang_rt.asan"))
		cause = "is built with AddressSanitizer, whose library must "
			"come before all others; run the program itself";
	else if (with_malloc && needs(p, "libtsan.so", "libclang_rt.tsan"))
		cause = "is built with ThreadSanitizer, whose malloc() must be "
			"its own; use --no-malloc";
	return cause != NULL ? say(buf, buf_len, p->path, cause) : NULL;
}

/* The interpreter that a script names, into path; false: none. */
static bool read_interpreter(const struct program *p, char path[PATH_MAX])
{
	char line[256] = "";
	ssize_t len = pread(p->fd, line, sizeof(line) - 1, 0);
	char *start = line + 2;

	if (len < 3 || line[0] != '#' || line[1] != '!')
		return false;
	start += strspn(start, " \t");
	start[strcspn(start, " \t\n")] = '\0';
	snprintf(path, PATH_MAX, "%s", start);
	return true;
}

static const char *objection(const char *path, int nr_scripts, bool with_malloc,
			     char *buf, size_t buf_len)
{
	struct program p = { .path = path };
	const char *result = NULL;
	char interpreter[PATH_MAX];

	p.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p.fd < 0)
		return NULL; /* may be run, but not read */
	if (read_at(&p, &p.head, sizeof(p.head), 0) &&
	    memcmp(p.head.e_ident, ELFMAG, SELFMAG) == 0)
		result = objection_to_elf(&p, with_malloc, buf, buf_len);
	else if (nr_scripts < MAX_SCRIPTS)
		result = objection(read_interpreter(&p, interpreter) ?
					   interpreter :
					   SF_PROGRAM_SHELL,
				   nr_scripts + 1, with_malloc, buf, buf_len);
	close(p.fd);
	return result;
}

const char *sf_program_objection(const char *path, bool with_malloc, char *buf,
				 size_t buf_len)
{
	return objection(path, 0, with_malloc, buf, buf_len);
}
