/* Lets one system call fail, or kill the process. Tests build it and load it by LD_PRELOAD.
 *
 * `refuse(name, number, error)`: the number-th following call of this name fails with this errno; all of them if the
 * number is 0. A negative error kills the process instead. `counted()` returns the number of calls of this name since
 * then. `refuse_unnamed()` makes O_TMPFILE fail.
 */

#include "shim.h"
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static char chosen[16];
static int which, with_error, calls, without_unnamed;

void refuse(const char *name, int number, int error)
{
    strncpy(chosen, name, sizeof chosen - 1);
    which = number;
    with_error = error;
    calls = 0;
}

int counted(void) { return calls; }

void refuse_unnamed(void) { without_unnamed = 1; }

static int fails(const char *name)
{
    if (strcmp(name, chosen) != 0)
        return 0;
    calls++;
    if (with_error == 0 || (which != 0 && which != calls))
        return 0;
    if (with_error < 0)
        kill(getpid(), SIGKILL);
    errno = with_error;
    return 1;
}

static int opened(int (*plainly)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    if (without_unnamed && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return fails("open") ? -1 : plainly(path, flags, mode);
}
OPEN(open)
OPEN(open64)

DIR *opendir(const char *path) { return fails("open") ? NULL : PLAINLY(opendir)(path); }

#define FCNTL(name)                                                   \
    int name(int file, int command, ...)                              \
    {                                                                 \
        va_list rest;                                                 \
        va_start(rest, command);                                      \
        void *argument = va_arg(rest, void *);                        \
        va_end(rest);                                                 \
        return fails("fcntl") ? -1 : PLAINLY(name)(file, command, argument); \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

#define REFUSED(called, name, type, parameters, ...)              \
    type name parameters                                          \
    {                                                             \
        return fails(called) ? -1 : PLAINLY(name)(__VA_ARGS__);   \
    }
REFUSED("read", read, ssize_t, (int file, void *bytes, size_t count), file, bytes, count)
REFUSED("read", pread64, ssize_t, (int file, void *bytes, size_t count, off64_t at), file, bytes, count, at)
REFUSED("write", write, ssize_t, (int file, const void *bytes, size_t count), file, bytes, count)
REFUSED("fsync", fsync, int, (int file), file)
REFUSED("mkdir", mkdir, int, (const char *path, mode_t mode), path, mode)
REFUSED("chmod", chmod, int, (const char *path, mode_t mode), path, mode)
REFUSED("chmod", fchmod, int, (int file, mode_t mode), file, mode)
REFUSED("unlink", unlink, int, (const char *path), path)
REFUSED("rename", rename, int, (const char *from, const char *to), from, to)
REFUSED("rename", renameat2, int, (int a, const char *from, int b, const char *to, unsigned flags), a, from, b, to, flags)
REFUSED("link", link, int, (const char *from, const char *to), from, to)
REFUSED("link", linkat, int, (int a, const char *from, int b, const char *to, int flags), a, from, b, to, flags)
REFUSED("stat", statx, int,
        (int folder, const char *path, int flags, unsigned mask, struct statx *found), folder, path, flags, mask, found)
REFUSED("stat", stat64, int, (const char *path, struct stat64 *found), path, found)
REFUSED("stat", lstat64, int, (const char *path, struct stat64 *found), path, found)
REFUSED("stat", fstat64, int, (int file, struct stat64 *found), file, found)
REFUSED("statfs", fstatfs64, int, (int file, struct statfs64 *found), file, found)
