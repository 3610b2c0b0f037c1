/**
 * What the record shows of each call: its type, and its arguments by the names of the man pages (6.9: `path`, not `pathname`).
 *
 * One line a call: its name, then its arguments in order as `name:kind`; `_` is an argument that is left out, such as an address, a
 * buffer or a structure. Kinds are those of read-signatures.ts or a table of names of flag-tables.ts:
 *
 *     path          relative to the working directory       path@0       relative to the directory that argument 0 is
 *     sockaddr@2    its length is argument 2                mode?2       means something if argument 2 asks to create
 *     socketOption@1    a table whose names depend on argument 1
 *
 * A call that is not here is recorded by its name alone.
 */
export const signatures = {
  "process.exec": `
    execve path:path argv:argv
    execveat dirfd:dirfd path:path@0 argv:argv _ flags:execFlags
  `,
  "process.signal": `
    kill pid:int sig:signal
    tkill tid:int sig:signal
    tgkill tgid:int tid:int sig:signal
    rt_sigqueueinfo tgid:int sig:signal
    rt_tgsigqueueinfo tgid:int tid:int sig:signal
    pidfd_send_signal pidfd:fd sig:signal _ flags:pidfdSignalFlags
  `,
  "file.open": `
    open path:path flags:openFlags mode:mode?1
    openat dirfd:dirfd path:path@0 flags:openFlags mode:mode?2
    openat2 dirfd:dirfd path:path@0 how:openhow size:size
    creat path:path mode:mode
    open_by_handle_at mount_fd:dirfd _ flags:openFlags
  `,
  "file.create": `
    mknod path:path mode:mode dev:u64
    mknodat dirfd:dirfd path:path@0 mode:mode dev:u64
  `,
  "file.delete": `
    unlink path:path
    unlinkat dirfd:dirfd path:path@0 flags:unlinkFlags
    rmdir path:path
  `,
  "file.rename": `
    rename oldpath:path newpath:path
    renameat olddirfd:dirfd oldpath:path@0 newdirfd:dirfd newpath:path@2
    renameat2 olddirfd:dirfd oldpath:path@0 newdirfd:dirfd newpath:path@2 flags:renameFlags
  `,
  "file.link": `
    link oldpath:path newpath:path
    linkat olddirfd:dirfd oldpath:path@0 newdirfd:dirfd newpath:path@2 flags:atFlags
  `,
  "file.symlink": `
    symlink target:string linkpath:path
    symlinkat target:string newdirfd:dirfd linkpath:path@1
  `,
  "file.mkdir": `
    mkdir path:path mode:mode
    mkdirat dirfd:dirfd path:path@0 mode:mode
  `,
  "file.truncate": `
    truncate path:path length:size
    ftruncate fd:fd length:size
    fallocate fd:fd mode:fallocateFlags offset:size size:size
  `,
  "file.attributes": `
    chmod path:path mode:mode
    fchmod fd:fd mode:mode
    fchmodat dirfd:dirfd path:path@0 mode:mode
    fchmodat2 dirfd:dirfd path:path@0 mode:mode flags:atFlags
    chown path:path owner:id group:id
    fchown fd:fd owner:id group:id
    lchown path:path owner:id group:id
    fchownat dirfd:dirfd path:path@0 owner:id group:id flags:atFlags
    utime path:path
    utimes path:path
    futimesat dirfd:dirfd path:path@0
    utimensat dirfd:dirfd path:path@0 _ flags:atFlags
    setxattr path:path name:string _ size:size flags:xattrFlags
    lsetxattr path:path name:string _ size:size flags:xattrFlags
    fsetxattr fd:fd name:string _ size:size flags:xattrFlags
    setxattrat dirfd:dirfd path:path@0 at_flags:atFlags name:string _ size:size
    removexattr path:path name:string
    lremovexattr path:path name:string
    fremovexattr fd:fd name:string
    removexattrat dirfd:dirfd path:path@0 at_flags:atFlags name:string
    file_setattr dirfd:dirfd path:path@0 _ size:size at_flags:atFlags
  `,
  "net.socket": `
    socket domain:addressFamily type:socketType protocol:socketProtocol@0
    socketpair domain:addressFamily type:socketType protocol:socketProtocol@0
  `,
  "net.connect": `
    connect sockfd:fd addr:sockaddr@2
  `,
  "net.bind": `
    bind sockfd:fd addr:sockaddr@2
  `,
  "net.listen": `
    listen sockfd:fd backlog:int
  `,
  "net.accept": `
    accept sockfd:fd
    accept4 sockfd:fd _ _ flags:acceptFlags
  `,
  "net.send": `
    sendto sockfd:fd _ size:size flags:messageFlags dest_addr:sockaddr@5
    sendmsg sockfd:fd msg:msghdr flags:messageFlags
    sendmmsg sockfd:fd msgvec:msghdr vlen:int flags:messageFlags
  `,
  privilege: `
    setuid uid:id
    setgid gid:id
    setreuid ruid:id euid:id
    setregid rgid:id egid:id
    setresuid ruid:id euid:id suid:id
    setresgid rgid:id egid:id sgid:id
    setfsuid fsuid:id
    setfsgid fsgid:id
    setgroups size:size
    capset
    prctl option:prctlOption arg2:u64 arg3:u64
    arch_prctl op:archPrctlCode
    personality persona:persona
    seccomp operation:seccompOperation flags:seccompFlags
    landlock_create_ruleset _ size:size flags:landlockCreateFlags
    landlock_add_rule ruleset_fd:fd rule_type:landlockRuleType
    landlock_restrict_self ruleset_fd:fd flags:landlockRestrictFlags
    lsm_set_self_attr attr:lsmAttribute _ size:size
    unshare flags:unshareFlags
    setns fd:fd nstype:namespaceTypes
    chroot path:path
    pivot_root new_root:path put_old:path
    mount source:string target:path filesystemtype:string mountflags:mountFlags
    umount2 target:path flags:umountFlags
    open_tree dirfd:dirfd path:path@0 flags:openTreeFlags
    open_tree_attr dirfd:dirfd path:path@0 flags:openTreeFlags
    move_mount from_dirfd:dirfd from_path:path@0 to_dirfd:dirfd to_path:path@2 flags:moveMountFlags
    fsopen fsname:string flags:fsopenFlags
    fsconfig fd:fd cmd:fsconfigCommand key:string
    fsmount fsfd:fd flags:fsmountFlags attr_flags:mountAttributes
    fspick dirfd:dirfd path:path@0 flags:fspickFlags
    mount_setattr dirfd:dirfd path:path@0 flags:atFlags
    ptrace op:ptraceRequest pid:int
    process_vm_readv pid:int _ liovcnt:u64 _ riovcnt:u64
    process_vm_writev pid:int _ liovcnt:u64 _ riovcnt:u64
    process_madvise pidfd:fd _ vlen:size advice:madvice
    process_mrelease pidfd:fd flags:int
    pidfd_getfd pidfd:fd targetfd:int flags:int
    kcmp pid1:int pid2:int type:kcmpType
    bpf cmd:bpfCommand _ size:size
    perf_event_open _ pid:int cpu:int group_fd:fd flags:perfFlags
    userfaultfd flags:userfaultfdFlags
    io_uring_setup entries:int
    io_uring_enter fd:fd to_submit:int min_complete:int flags:uringEnterFlags
    io_uring_register fd:fd opcode:int _ nr_args:int
    add_key type:string description:string _ plen:size keyring:int
    request_key type:string description:string callout_info:string dest_keyring:int
    keyctl operation:keyctlOperation
    fanotify_init flags:fanotifyInitFlags event_f_flags:openFlags
    fanotify_mark fanotify_fd:fd flags:fanotifyMarkFlags mask:fanotifyMask dirfd:dirfd path:path@3
    kexec_load entry:u64 nr_segments:u64
    kexec_file_load kernel_fd:fd initrd_fd:fd _ _ flags:kexecFileFlags
    init_module _ len:size param_values:string
    finit_module fd:fd param_values:string flags:moduleFlags
    delete_module name:string flags:openFlags
    create_module name:string size:size
    query_module name:string which:int
    reboot magic:int magic2:int op:rebootCommand
    swapon path:path swapflags:int
    swapoff path:path
    acct filename:path
    quotactl op:int special:path id:int
    quotactl_fd fd:fd op:int id:int
    sethostname name:string len:size
    setdomainname name:string len:size
    settimeofday
    adjtimex
    clock_settime clockid:clockId
    clock_adjtime clockid:clockId
    iopl level:int
    ioperm from:u64 num:u64 turn_on:int
    modify_ldt func:int _ bytecount:size
    syslog type:syslogAction _ len:int
    vhangup
    setrlimit resource:resource rlim:rlimit
    prlimit64 pid:int resource:resource new_limit:rlimit
    memfd_secret flags:secretFlags
  `,
  syscall: `
    read fd:fd _ count:size
    write fd:fd _ count:size
    pread64 fd:fd _ count:size offset:u64
    pwrite64 fd:fd _ count:size offset:u64
    readv fd:fd _ iovcnt:int
    writev fd:fd _ iovcnt:int
    preadv fd:fd _ iovcnt:int offset:u64
    pwritev fd:fd _ iovcnt:int offset:u64
    preadv2 fd:fd _ iovcnt:int offset:u64 _ flags:rwfFlags
    pwritev2 fd:fd _ iovcnt:int offset:u64 _ flags:rwfFlags
    readahead fd:fd offset:u64 count:size
    lseek fd:fd offset:u64 whence:whence
    close fd:fd
    close_range first:int last:int flags:closeRangeFlags
    dup oldfd:fd
    dup2 oldfd:fd newfd:fd
    dup3 oldfd:fd newfd:fd flags:cloexecFlags
    pipe2 _ flags:pipeFlags
    fcntl fd:fd op:fcntlCommand
    ioctl fd:fd op:ioctlRequest
    flock fd:fd op:flockOperation
    fsync fd:fd
    fdatasync fd:fd
    syncfs fd:fd
    sync_file_range fd:fd offset:u64 nbytes:size flags:syncFileRangeFlags
    fadvise64 fd:fd offset:u64 size:size advice:fadvice
    cachestat fd:fd
    sendfile out_fd:fd in_fd:fd _ count:size
    splice fd_in:fd _ fd_out:fd _ size:size flags:spliceFlags
    tee fd_in:fd fd_out:fd size:size flags:spliceFlags
    vmsplice fd:fd _ nr_segs:u64 flags:spliceFlags
    copy_file_range fd_in:fd _ fd_out:fd _ size:size flags:int
    stat path:path
    lstat path:path
    fstat fd:fd
    newfstatat dirfd:dirfd path:path@0 _ flags:atFlags
    statx dirfd:dirfd path:path@0 flags:atFlags mask:statxMask
    statfs path:path
    fstatfs fd:fd
    ustat dev:u64
    access path:path mode:accessMode
    faccessat dirfd:dirfd path:path@0 mode:accessMode
    faccessat2 dirfd:dirfd path:path@0 mode:accessMode flags:accessAtFlags
    readlink path:path
    readlinkat dirfd:dirfd path:path@0
    getxattr path:path name:string
    lgetxattr path:path name:string
    fgetxattr fd:fd name:string
    getxattrat dirfd:dirfd path:path@0 at_flags:atFlags name:string
    listxattr path:path
    llistxattr path:path
    flistxattr fd:fd
    listxattrat dirfd:dirfd path:path@0 at_flags:atFlags
    file_getattr dirfd:dirfd path:path@0 _ size:size at_flags:atFlags
    name_to_handle_at dirfd:dirfd path:path@0 _ _ flags:handleFlags
    getdents fd:fd _ count:size
    getdents64 fd:fd _ count:size
    chdir path:path
    fchdir fd:fd
    getcwd _ size:size
    umask mask:mode
    inotify_init1 flags:inotifyFlags
    inotify_add_watch fd:fd path:path mask:inotifyMask
    inotify_rm_watch fd:fd wd:int
    epoll_create size:int
    epoll_create1 flags:epollFlags
    epoll_ctl epfd:fd op:epollOperation fd:fd
    epoll_wait epfd:fd _ maxevents:int timeout:int
    epoll_pwait epfd:fd _ maxevents:int timeout:int
    epoll_pwait2 epfd:fd _ maxevents:int
    poll _ nfds:u64 timeout:int
    ppoll _ nfds:u64
    select nfds:int
    pselect6 nfds:int
    eventfd initval:int
    eventfd2 initval:int flags:eventfdFlags
    signalfd fd:fd
    signalfd4 fd:fd _ _ flags:signalfdFlags
    timerfd_create clockid:clockId flags:timerfdFlags
    timerfd_settime fd:fd flags:timerfdSetFlags
    timerfd_gettime fd:fd
    io_setup nr_events:int
    io_submit _ nr:u64
    io_getevents _ min_nr:u64 nr:u64
    io_pgetevents _ min_nr:u64 nr:u64
    recvfrom sockfd:fd _ size:size flags:messageFlags
    recvmsg sockfd:fd _ flags:messageFlags
    recvmmsg sockfd:fd _ vlen:int flags:messageFlags
    shutdown sockfd:fd how:shutdownHow
    getsockname sockfd:fd
    getpeername sockfd:fd
    getsockopt sockfd:fd level:socketLevel optname:socketOption@1
    setsockopt sockfd:fd level:socketLevel optname:socketOption@1 _ optlen:int
    mmap _ length:size prot:protection flags:mapFlags fd:fd offset:u64
    munmap _ length:size
    mremap _ old_size:size new_size:size flags:mremapFlags
    remap_file_pages _ size:size prot:protection pgoff:size flags:mapFlags
    mprotect _ size:size prot:protection
    pkey_mprotect _ size:size prot:protection pkey:int
    pkey_alloc flags:int access_rights:pkeyRights
    pkey_free pkey:int
    madvise _ length:size advice:madvice
    mincore _ length:size
    msync _ length:size flags:msyncFlags
    mlock _ size:size
    mlock2 _ size:size flags:mlockFlags
    munlock _ size:size
    mlockall flags:mlockallFlags
    mseal _ size:size
    map_shadow_stack _ size:size
    mbind _ size:size mode:memoryPolicy _ maxnode:u64 flags:mbindFlags
    set_mempolicy mode:memoryPolicy
    migrate_pages pid:int
    move_pages pid:int count:u64 _ _ _ flags:mbindFlags
    memfd_create name:string flags:memfdFlags
    shmget key:int size:size shmflg:shmgetFlags
    shmat shmid:int _ shmflg:shmatFlags
    shmctl shmid:int op:shmCommand
    semget key:int nsems:int semflg:ipcFlags
    semop semid:int _ nsops:size
    semtimedop semid:int _ nsops:size
    semctl semid:int semnum:int op:semCommand
    msgget key:int msgflg:ipcFlags
    msgsnd msqid:int _ msgsz:size msgflg:messageQueueFlags
    msgrcv msqid:int _ msgsz:size _ msgflg:messageQueueFlags
    msgctl msqid:int op:msgCommand
    mq_open name:string oflag:openFlags mode:mode?1
    mq_unlink name:string
    mq_timedsend mqdes:fd _ msg_len:size msg_prio:int
    mq_timedreceive mqdes:fd _ msg_len:size
    mq_notify mqdes:fd
    mq_getsetattr mqdes:fd
    clone flags:cloneFlags
    clone3 args:cloneargs size:size
    exit status:int
    exit_group status:int
    wait4 pid:int _ options:waitOptions
    waitid idtype:waitIdType id:int _ options:waitOptions
    getpgid pid:int
    setpgid pid:int pgid:int
    getsid pid:int
    pidfd_open pid:int flags:pidfdFlags
    getgroups size:int
    getrlimit resource:resource
    getrusage who:rusageWho
    getpriority which:priorityWhich who:int
    setpriority which:priorityWhich who:int prio:int
    ioprio_get which:ioprioWhich who:int
    ioprio_set which:ioprioWhich who:int ioprio:int
    sched_setparam pid:int
    sched_getparam pid:int
    sched_setscheduler pid:int policy:schedPolicy
    sched_getscheduler pid:int
    sched_get_priority_max policy:schedPolicy
    sched_get_priority_min policy:schedPolicy
    sched_rr_get_interval pid:int
    sched_setaffinity pid:int cpusetsize:size
    sched_getaffinity pid:int cpusetsize:size
    sched_setattr pid:int _ flags:int
    sched_getattr pid:int _ size:size flags:int
    futex _ futex_op:futexOperation val:int
    futex_waitv _ nr_futexes:int
    futex_wake _ mask:u64 nr:int flags:futex2Flags
    futex_wait _ val:u64 mask:u64 flags:futex2Flags
    membarrier cmd:membarrierCommand flags:int cpu_id:int
    rseq _ rseq_len:size flags:rseqFlags
    rt_sigaction signum:signal
    rt_sigprocmask how:sigprocmaskHow
    getitimer which:intervalTimer
    setitimer which:intervalTimer
    alarm seconds:int
    timer_create clockid:clockId
    timer_settime timerid:int flags:timerFlags
    timer_gettime timerid:int
    timer_getoverrun timerid:int
    timer_delete timerid:int
    clock_gettime clockid:clockId
    clock_getres clockid:clockId
    clock_nanosleep clockid:clockId flags:timerFlags
    getrandom _ size:size flags:randomFlags
    lsm_get_self_attr attr:lsmAttribute
    statmount _ _ bufsize:size flags:int
    listmount _ _ nr_mnt_ids:size flags:int
    sysfs option:int
    uselib library:path
  `,
} as const;
