# Runs a skill's shell code under observation: bash shell.sh MARK FILE [ARG...], or -c TEXT instead of a file.
mark=$1
shift
sleep() {
  case ${1%%[!0-9]*} in
    "" | [0-5]) ;;
    *) printf '%s{"what":"sleep","seconds":%s}\n' "$skillbox_mark" "${1%%[!0-9]*}" >&2 ;;
  esac
  command sleep 0.02
}
skillbox_mark=$mark
export skillbox_mark
export -f sleep
if [ "$1" = -c ]; then
  eval "$2"
else
  file=$1
  shift
  . "./$file"
fi
