/*
 * Builds filters with libseccomp, so that ours can be compared with them. On stdin, any number of
 *
 *     profile ARCH OPTIMIZE DEFAULT_ACTION
 *     rule ACTION NAME COUNT (ARG OP DATUM_A DATUM_B)*COUNT
 *     end
 *
 * with decimal numbers, ARCH being AUDIT_ARCH_*, OP enum scmp_compare and OPTIMIZE SCMP_FLTATR_CTL_OPTIMIZE. On stdout, for each profile,
 * the length of its program in bytes (u32) and the program; a length of 0 and an errno (u32) where libseccomp refuses a rule.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what, int rc) {
    fprintf(stderr, "%s: %s\n", what, strerror(-rc));
    exit(1);
}

static void put(uint32_t value) {
    if (fwrite(&value, sizeof value, 1, stdout) != 1) die("write", -errno);
}

static scmp_filter_ctx start(uint32_t arch, unsigned optimize, uint32_t action) {
    scmp_filter_ctx ctx = seccomp_init(action);
    if (!ctx) die("seccomp_init", -EINVAL);
    int rc = 0;
    if (arch != seccomp_arch_native()) {
        rc = seccomp_arch_add(ctx, arch);
        if (!rc) rc = seccomp_arch_remove(ctx, seccomp_arch_native());
    }
    if (rc) die("architecture", rc);
    rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc) die("ACT_BADARCH", rc);
    rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, optimize);
    if (rc) die("CTL_OPTIMIZE", rc);
    return ctx;
}

static int add_rule(scmp_filter_ctx ctx) {
    uint32_t action;
    char name[64];
    unsigned count;
    struct scmp_arg_cmp args[6];
    if (scanf("%" SCNu32 " %63s %u", &action, name, &count) != 3 || count > 6) die("rule", -EINVAL);
    for (unsigned i = 0; i < count; i++) {
        unsigned arg, op;
        uint64_t a, b;
        if (scanf("%u %u %" SCNu64 " %" SCNu64, &arg, &op, &a, &b) != 4) die("condition", -EINVAL);
        args[i] = (struct scmp_arg_cmp){.arg = arg, .op = op, .datum_a = a, .datum_b = b};
    }
    int number = seccomp_syscall_resolve_name(name);
    return number == __NR_SCMP_ERROR ? -EDOM : seccomp_rule_add_array(ctx, action, number, count, args);
}

static void finish(scmp_filter_ctx ctx) {
    FILE *file = tmpfile();
    if (!file) die("tmpfile", -errno);
    int rc = seccomp_export_bpf(ctx, fileno(file));
    if (rc) die("seccomp_export_bpf", rc);
    static char bytes[1 << 20];
    fseek(file, 0, SEEK_SET);
    size_t length = fread(bytes, 1, sizeof bytes, file);
    put((uint32_t)length);
    fwrite(bytes, 1, length, stdout);
    fclose(file);
}

int main(void) {
    char word[16];
    scmp_filter_ctx ctx = NULL;
    int refused = 0;
    while (scanf("%15s", word) == 1) {
        if (!strcmp(word, "profile")) {
            unsigned optimize;
            uint32_t arch, action;
            if (scanf("%" SCNu32 " %u %" SCNu32, &arch, &optimize, &action) != 3) die("profile", -EINVAL);
            ctx = start(arch, optimize, action);
            refused = 0;
        } else if (!strcmp(word, "rule")) {
            int rc = add_rule(ctx);
            if (rc && !refused) refused = -rc;
        } else if (!strcmp(word, "end")) {
            if (refused) {
                put(0);
                put((uint32_t)refused);
            } else {
                finish(ctx);
            }
            seccomp_release(ctx);
        } else {
            die(word, -EINVAL);
        }
    }
    return fflush(stdout) ? 1 : 0;
}
