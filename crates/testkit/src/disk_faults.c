/* Fails calls that write, as a disk does that is full or breaks.
 *
 * Loaded into a program under test by LD_PRELOAD; what it does is said by DISK_FAULT_… in the
 * environment, see disk_faults.rs. Only files whose path begins with DISK_FAULT_PATH are touched:
 * their calls are counted, and those from the chosen one on fail. Whatever is written through
 * memory maps is out of its reach.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long calls;
static long failed;

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

/* Whether a path ends as asked: a database beside its log, or anything. */
static int is_named(const char *path) {
    const char *end = setting("DISK_FAULT_NAME");
    size_t length = strlen(path), wanted = strlen(end);
    return wanted <= length && strcmp(path + length - wanted, end) == 0;
}

/* Appends to the file of what failed. */
static void tell(const char *call, const char *path) {
    char line[PATH_MAX + 32];
    int length = snprintf(line, sizeof line, "%s %s\n", call, path);
    int file = open(setting("DISK_FAULT_TOLD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (file < 0 || length <= 0 || real(file, line, (size_t)length) < 0) {
        abort();
    }
    close(file);
}

/* 0 if this call goes through; else which failing call it is, from 1, with errno set. */
static long fails(const char *kind, int file) {
    char link[64], path[PATH_MAX];
    if (!strstr(setting("DISK_FAULT_CALLS"), kind)) {
        return 0;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    const char *below = setting("DISK_FAULT_PATH");
    if (length < 0 || !*below) {
        return 0;
    }
    path[length] = 0;
    if (strncmp(path, below, strlen(below)) != 0 || !is_named(path)) {
        return 0;
    }
    long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    if (number < atol(setting("DISK_FAULT_FROM"))) {
        return 0;
    }
    /* How long it lasts: "once", or as long as a file is there. */
    const char *lasts = setting("DISK_FAULT_LASTS");
    long nth = __atomic_add_fetch(&failed, 1, __ATOMIC_SEQ_CST);
    if (strcmp(lasts, "once") == 0 ? nth > 1 : access(lasts, F_OK) != 0) {
        return 0;
    }
    tell(kind, path);
    errno = strcmp(setting("DISK_FAULT_ERROR"), "full") == 0 ? ENOSPC : EIO;
    return nth;
}

/* A write that fails may first get half of its bytes through. */
static int is_short(long nth) {
    return nth == 1 && strcmp(setting("DISK_FAULT_ERROR"), "short") == 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t count) {
    long nth = fails("write", file);
    return nth == 0 ? REAL(write)(file, bytes, count)
           : is_short(nth) ? REAL(write)(file, bytes, count / 2)
                           : -1;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    long nth = fails("write", file);
    return nth == 0 ? REAL(pwrite)(file, bytes, count, at)
           : is_short(nth) ? REAL(pwrite)(file, bytes, count / 2, at)
                           : -1;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return pwrite(file, bytes, count, at);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    return fails("write", file) ? -1 : REAL(writev)(file, parts, count);
}

int fsync(int file) { return fails("sync", file) ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return fails("sync", file) ? -1 : REAL(fdatasync)(file); }

int ftruncate(int file, off_t length) {
    return fails("truncate", file) ? -1 : REAL(ftruncate)(file, length);
}

int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }
