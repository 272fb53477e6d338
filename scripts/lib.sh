# shellcheck shell=bash
# Sourced by the scripts beside it, from the root of the repository.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# HOME is absent under some CI runners and in bare chroots; Go's caches and ours need it.
if [ -z "${HOME:-}" ]; then
	HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
	export HOME
fi

# The product holds no C. Without this, Go uses cgo wherever a compiler happens to be.
export CGO_ENABLED="${CGO_ENABLED:-0}"

# Tools are built once and kept outside the tree; removing this directory is harmless.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/garant"

say() { printf '%s\n' "garant: $*" >&2; }

die() {
	printf '%s\n' "garant: $*" >&2
	exit 1
}

# may_root WHAT ends the script with what to do when this user cannot become root unasked.
may_root() {
	[ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; } || die "root is needed to $*.
  This user has no sudo without a password. Run 'sudo -v' and try again, or do that as root yourself and try again."
}

# as_root COMMAND… runs a command as root and never asks for a password.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

# apt_update reads the package lists once per invocation.
apt_updated=
apt_update() {
	[ -z "$apt_updated" ] || return 0
	command -v apt-get >/dev/null ||
		die "this is not a Debian: install these yourself, then try again: $*"
	may_root "install the Debian packages: $*"
	local log
	log=$(mktemp)
	if ! as_root apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
		-o APT::Update::Error-Mode=any update -qq </dev/null >"$log" 2>&1; then
		# A third party's source that is down must not stop us when Debian's answers.
		say "the package lists could not all be refreshed; going on with those there are"
	fi
	tail -n 5 "$log" | grep -E '^[EW]:' >&2 || true
	rm -f "$log"
	apt_updated=yes
}

# apt_install PACKAGE… installs Debian packages without questions.
apt_install() {
	apt_update "$@"
	local log
	log=$(mktemp)
	if ! as_root apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
		install -y -qq --no-install-recommends "$@" </dev/null >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		die "could not install: $*
  The lines above are apt's. Without network, or with a package source that does not answer,
  install these packages by other means and try again."
	fi
	rm -f "$log"
}

# scratch_directory gives what follows a temporary directory that goes when the script ends: in memory where that has
# room, for tests make and drop hundreds of databases, and a disk is most of their time. No test cuts the power:
# what a killed process wrote is there, in memory as on a disk. What Go builds stays on the disk.
scratch_directory() {
	local base=/dev/shm room
	room=$(df --output=avail --block-size=1M "$base" 2>/dev/null | tail -n 1) || true
	[ "${room:-0}" -ge 3072 ] || base="${TMPDIR:-/tmp}"
	scratch=$(mktemp -d "$base/garant-XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	chmod 1777 "$scratch" # as /tmp is: PostgreSQL's account works in it
	export GOTMPDIR="${GOTMPDIR:-${TMPDIR:-/tmp}}" TMPDIR="$scratch"
}

# modules prints the directory of each module of the workspace.
modules() { go list -m -f '{{.Dir}}'; }
