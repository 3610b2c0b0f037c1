/**
 * The curated view of the host (`root: host`): what programs need to run at all, and nothing of anybody's. Home
 * directories, /root, /var, /run, /sys and the sockets in them are not in it.
 */

/** System directories, mounted read-only. On a merged-/usr system most are links, and become links inside. */
export const systemDirectories = [
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/nix/store",
  "/gnu/store",
  "/run/current-system",
] as const;

/**
 * The part of /etc that holds no secret and no state: loader cache, trust anchors, names and numbers, time, fonts. Not in
 * it on purpose: gitconfig, npmrc, pip.conf and the like, which may hold credentials; ssl/private; machine-id.
 */
export const systemConfiguration = [
  "/etc/alternatives",
  "/etc/bash.bashrc",
  "/etc/ca-certificates",
  "/etc/ca-certificates.conf",
  "/etc/crypto-policies",
  "/etc/debian_version",
  "/etc/fonts",
  "/etc/gai.conf",
  "/etc/host.conf",
  "/etc/inputrc",
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/localtime",
  "/etc/lsb-release",
  "/etc/magic",
  "/etc/mime.types",
  "/etc/os-release",
  "/etc/pki/ca-trust",
  "/etc/pki/tls/certs",
  "/etc/protocols",
  "/etc/services",
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
  "/etc/terminfo",
  "/etc/timezone",
] as const;

/** Configuration of runtimes whose directory carries a version: /etc/java-17-openjdk, /etc/python3.11. */
export const versionedConfiguration = /^(java|python|perl|ruby|php|node)[-.\d\w]*$/;

/** The minimal /dev; OCI's default devices. */
export const devices = ["null", "zero", "full", "random", "urandom", "tty"] as const;

/** OCI's defaultMaskedPaths below /proc (moby's oci/defaults.go), and two that name processes of the host's kernel. */
export const maskedProcPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kallsyms",
  "/proc/kcore",
  "/proc/keys",
  "/proc/key-users",
  "/proc/latency_stats",
  "/proc/scsi",
  "/proc/sched_debug",
  "/proc/timer_list",
  "/proc/timer_stats",
] as const;

/** OCI's defaultReadonlyPaths. */
export const readonlyProcPaths = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
] as const;
