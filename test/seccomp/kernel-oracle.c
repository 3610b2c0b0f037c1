/*
 * Asks the kernel what a filter answers. argv[1] is a file with struct sock_filter[]; on stdin, calls as seven numbers, NR and six
 * arguments; on stdout, for each, what the call returned: "-1 ERRNO" or "VALUE 0". The filter must refuse them all with an errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_CALLS 65536
static uint64_t calls[MAX_CALLS][7];
static long results[MAX_CALLS][2];
static struct sock_filter filter[4096];

int main(int argc, char **argv) {
    int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    ssize_t length = fd < 0 ? -1 : read(fd, filter, sizeof filter);
    if (length <= 0) return perror(argv[1]), 1;
    size_t count = 0;
    while (count < MAX_CALLS) {
        uint64_t *c = calls[count];
        if (scanf("%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &c[0], &c[1], &c[2],
                  &c[3], &c[4], &c[5], &c[6]) != 7)
            break;
        count++;
    }
    struct sock_fprog program = {.len = (unsigned short)(length / (ssize_t)sizeof filter[0]), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return perror("no_new_privs"), 1;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) return perror("seccomp"), 1;
    for (size_t i = 0; i < count; i++) {
        const uint64_t *c = calls[i];
        errno = 0;
        results[i][0] = syscall((long)c[0], c[1], c[2], c[3], c[4], c[5], c[6]);
        results[i][1] = errno;
    }
    for (size_t i = 0; i < count; i++) printf("%ld %ld\n", results[i][0], results[i][1]);
    return fflush(stdout) ? 1 : 0;
}
