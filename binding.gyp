{
  "target_defaults": {
    "cflags": ["-Wall", "-Wextra", "-Wno-missing-field-initializers", "-fstack-protector-strong", "-fvisibility=hidden", "-g"],
    "cflags_cc!": ["-fno-rtti", "-std=gnu++17"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti"],
    "defines": ["_GNU_SOURCE", "_FORTIFY_SOURCE=2"],
    "configurations": { "Release": { "cflags": ["-O2"] } }
  },
  "targets": [
    {
      "target_name": "skillbox",
      "sources": [
        "native/addon/addon.cc",
        "native/addon/address.cc",
        "native/addon/channel.cc",
        "native/addon/held_queue.cc",
        "native/addon/launch_thread.cc",
        "native/addon/listener.cc",
        "native/addon/network.cc",
        "native/addon/overlay_object.cc",
        "native/addon/pidfd.cc",
        "native/addon/pty.cc",
        "native/addon/record_object.cc",
        "native/audit/bpf.cc",
        "native/audit/decode.cc",
        "native/audit/exit_status.cc",
        "native/audit/json.cc",
        "native/audit/memory.cc",
        "native/audit/notify_thread.cc",
        "native/audit/process_table.cc",
        "native/audit/record.cc",
        "native/audit/tables.cc",
        "native/audit/view.cc",
        "native/overlay/changes.cc",
        "native/overlay/commit.cc",
        "native/overlay/cursor.cc",
        "native/overlay/remove.cc",
        "native/overlay/staged_file.cc",
        "native/overlay/upper.cc",
        "native/init/report.cc",
        "native/sys/fd_passing.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_DISABLE_DEPRECATED", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      # nodelete: its threads live as long as the process, but Node unloads an addon with the last worker that used it.
      # The C++ library is linked in: a prebuild is made with a newer one than RHEL 9 and others have.
      "ldflags": [
        "-Wl,-z,relro,-z,now,-z,nodelete",
        "-static-libstdc++",
        "-Wl,--gc-sections",
        "-Wl,--version-script=<(module_root_dir)/native/addon/exports.map"
      ]
    },
    {
      "target_name": "skillbox-init",
      "type": "executable",
      "sources": [
        "native/init/files.cc",
        "native/init/gate.cc",
        "native/init/launch_plan.cc",
        "native/init/main.cc",
        "native/init/net_ns.cc",
        "native/init/privileges.cc",
        "native/init/probe.cc",
        "native/init/process.cc",
        "native/init/reaper.cc",
        "native/init/report.cc",
        "native/init/rootfs.cc",
        "native/init/sources.cc",
        "native/init/terminal.cc",
        "native/init/user_ns.cc",
        "native/sys/fd_passing.cc"
      ],
      "cflags!": ["-fPIC"],
      "cflags": ["-fPIE"],
      "ldflags": ["-static-pie", "-Wl,-z,relro,-z,now"],
      "ldflags!": ["-pthread", "-rdynamic"],
      "libraries!": ["-ldl"]
    },
    {
      "target_name": "skillbox-selftest",
      "type": "executable",
      "sources": ["native/selftest/main.cc"],
      "cflags!": ["-fPIC"],
      "cflags": ["-fPIE"],
      "ldflags": ["-static-pie", "-Wl,-z,relro,-z,now"],
      "ldflags!": ["-pthread", "-rdynamic"],
      "libraries!": ["-ldl"]
    }
  ]
}
