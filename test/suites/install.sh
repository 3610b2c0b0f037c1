#!/bin/sh
# Gets the suites that test/suites runs, once: install.sh DIRECTORY, as root on Debian. Downloads about 190 MB, of which 70 stay.
# CPython's tests and stress-ng are installed as packages; the kernel's and node's tests come from their Debian sources.
set -eu
mkdir -p "$1" && cd "$1"
if [ -e complete ]; then exit 0; fi
if [ "$(id -u)" != 0 ]; then
  echo "$0: the suites are not in $1 yet, and only root can install them" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export DEBIAN_FRONTEND=noninteractive

python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
apt-get install -y -qq --no-install-recommends --no-upgrade "libpython$python-testsuite" stress-ng iproute2 util-linux

# The kernel's, by its own makefiles and against its own headers, which are newer than those of the distribution.
kernel=$(apt-cache --names-only search '^linux-source-[0-9.]+$' | cut -d ' ' -f 1 | sort -V | tail -n 1)
(
  cd "$work"
  apt-get download -qq -o APT::Sandbox::User=root "$kernel" libcap-dev
  dpkg-deb -x libcap-dev_*.deb capabilities
  mkdir linux
  dpkg-deb --fsys-tarfile "$kernel"_*.deb | tar -x --to-stdout "./usr/src/$kernel.tar.xz" |
    tar -xJ -C linux --strip-components=1 --wildcards '*/Makefile' '*/Kbuild*' '*/scripts/*' '*/include/uapi/*' \
      '*/include/asm-generic/*' '*/include/linux/*.h' '*/arch/x86/entry/syscalls/*' '*/arch/x86/tools/*' \
      '*/arch/arm64/tools/*' '*/usr/include/*' '*/tools/build/*' "$kernel/tools/include/*" '*/testing/selftests/*.h' \
      '*/testing/selftests/lib.mk' '*/selftests/clone3/*' '*/selftests/landlock/*' '*/selftests/mount_setattr/*' \
      '*/selftests/openat2/*' '*/selftests/pidfd/*' '*/selftests/seccomp/*'
  make -s -C linux headers
)
for tests in clone3 landlock mount_setattr openat2 pidfd seccomp; do
  folder=$work/linux/tools/testing/selftests/$tests
  CPATH=$work/capabilities/usr/include LIBRARY_PATH=$work/capabilities/usr/lib/$(gcc -print-multiarch) \
    make -s -C "$folder" top_srcdir="$work/linux" KHDR_INCLUDES="-isystem $work/linux/usr/include"
  mkdir -p "kernel/$tests"
  find "$folder" -maxdepth 1 -type f -perm -100 -exec cp -t "kernel/$tests" {} +
done

# Node's. What apt knows of binary packages is left as it is.
mkdir -p "$work/sources" "$work/lists/partial"
for list in /etc/apt/sources.list.d/*.sources; do
  sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/sources/${list##*/}"
done
set -- -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/sources" -o "Dir::State::Lists=$work/lists" \
  -o Dir::Cache::PkgCache= -o Dir::Cache::SrcPkgCache= -o APT::Sandbox::User=root
(cd "$work" && apt-get "$@" update && apt-get "$@" source --download-only --tar-only nodejs)
mkdir -p node
tar -xf "$work"/nodejs_*.orig.tar.xz -C node --strip-components=1 --wildcards '*/test/common/*' '*/test/fixtures/*' \
  '*/test/parallel/test-child-process-*' '*/test/parallel/test-dgram-*' '*/test/parallel/test-fs-*' '*/test/parallel/test-net-*'
# They are CommonJS, whatever this project's package.json says.
echo '{}' >node/package.json

touch complete
