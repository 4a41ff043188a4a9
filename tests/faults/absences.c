/* Simulates the client of a network file system that caches missing names. Tests build it and load it by LD_PRELOAD.
 *
 * A name that was missing stays missing until its folder is opened; NFS asks its server then.
 */

#include "shim.h"
#include <dirent.h>

#define MOST 64
static char missing[MOST][4096];

static int is_entry(const char *path)
{
    size_t length = strlen(path);
    return length < sizeof missing[0] && length > 5 && strcmp(path + length - 5, ".dill") == 0;
}

static int opened(int (*plainly)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    if (!is_entry(path))
        return plainly(path, flags, mode);
    for (int i = 0; i < MOST; i++)
        if (strcmp(missing[i], path) == 0) {
            errno = ENOENT;
            return -1;
        }
    int file = plainly(path, flags, mode);
    for (int i = 0; file < 0 && errno == ENOENT && i < MOST; i++)
        if (!*missing[i]) {
            strcpy(missing[i], path);
            errno = ENOENT;
            break;
        }
    return file;
}
OPEN(open)
OPEN(open64)

DIR *opendir(const char *folder)
{
    size_t length = strlen(folder);
    for (int i = 0; i < MOST; i++)
        if (strncmp(missing[i], folder, length) == 0 && strrchr(missing[i], '/') == missing[i] + length)
            *missing[i] = 0;
    return PLAINLY(opendir)(folder);
}
