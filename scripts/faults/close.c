/*
 * Preloaded into a run and its children: the n-th close of a file or directory in each process fails, as those of NFS and of full disks do.
 * The file is closed all the same, which strace's injection cannot do. CLOSE_FAILS=n:errno:log.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int at, number;
static const char *path;
static int (*real_close)(int);
static int (*real_fclose)(FILE *);
static long (*real_syscall)(long, ...);
static atomic_int count;

/* Not in a constructor: those of other libraries may come first, and close. */
static void start(void) {
	if (real_close != NULL) return;
	const char *text = getenv("CLOSE_FAILS");
	if (text == NULL || sscanf(text, "%d:%d:", &at, &number) != 2) abort();
	path = strchr(strchr(text, ':') + 1, ':') + 1;
	real_fclose = (int (*)(FILE *))dlsym(RTLD_NEXT, "fclose");
	real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
}

static int is_file(int descriptor) {
	start();
	struct stat about;
	return fstat(descriptor, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode));
}

static int result_of(int result, int counts) {
	if (result != 0 || !counts || atomic_fetch_add(&count, 1) + 1 != at) return result;
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || write(log, "(INJECTED)\n", 11) != 11) abort();
	real_close(log);
	errno = number;
	return -1;
}

int close(int descriptor) {
	int counts = is_file(descriptor);
	return result_of(real_close(descriptor), counts);
}

int fclose(FILE *stream) {
	int counts = is_file(fileno(stream));
	return result_of(real_fclose(stream), counts) == 0 ? 0 : EOF;
}

/* libuv closes so. */
long syscall(long call, ...) {
	va_list list;
	va_start(list, call);
	long a[6];
	for (int index = 0; index < 6; index++) a[index] = va_arg(list, long);
	va_end(list);
	int counts = call == SYS_close && is_file((int)a[0]);
	start();
	long result = real_syscall(call, a[0], a[1], a[2], a[3], a[4], a[5]);
	return call == SYS_close ? result_of((int)result, counts) : result;
}
