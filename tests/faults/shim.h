/* Shared by the shims: finds the original function, and wraps `open` with its optional argument.
 *
 * OPEN(open) calls `opened` of the shim, whose first argument is the original function.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

#define PLAINLY(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                              \
    int name(const char *path, int flags, ...)                                  \
    {                                                                           \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                           \
        return opened(PLAINLY(name), path, flags, mode);                        \
    }

static int opened(int (*plainly)(const char *, int, ...), const char *path, int flags, mode_t mode);
