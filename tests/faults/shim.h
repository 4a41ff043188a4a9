/* What the shims share: the function of the system that one stands before, and `open` with its optional argument.
 *
 * Whoever says OPEN(open) says in `opened` what is done in its place; the first argument is the system's own.
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
