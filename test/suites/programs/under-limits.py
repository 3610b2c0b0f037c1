"""Runs a program and measures from beside it, inside the same sandbox, what it takes: prints one JSON object when it has ended.

    under-limits.py FOLDER COMMAND…

Threads but those of PID 1, bytes in the file system of FOLDER, and open files of one process, each at its peak.
"""

import json
import os
import subprocess
import sys
import time

folder = sys.argv[1]
peak = {"threads": 0, "bytes": 0, "openFiles": 0}


def sample():
    threads = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if pid == "1":
            continue
        try:
            threads += len(os.listdir(f"/proc/{pid}/task"))
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:  # It has ended.
            continue
        peak["openFiles"] = max(peak["openFiles"], len(descriptors))
    peak["threads"] = max(peak["threads"], threads)
    used = os.statvfs(folder)
    peak["bytes"] = max(peak["bytes"], (used.f_blocks - used.f_bfree) * used.f_frsize)


child = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while child.poll() is None:
    sample()
    time.sleep(0.02)
print(json.dumps(peak))
