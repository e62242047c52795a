# Sourced by the shell scripts of this repository: where things are, and how to speak.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything that outlives a clean checkout: Python and Go environments, NVIDIA's programs, lint results.
CACHE=${TRANCHE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/tranche}
JOBS=${TRANCHE_JOBS:-$(nproc)}

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Fails early, and in words, where an earlier run as another user (root) left files this one cannot write.
need_writable() {
  local directory=$1
  [ ! -e "$directory" ] || [ -w "$directory" ] ||
    die "$directory belongs to $(stat -c %U "$directory"); remove it, or run as that user"
}
