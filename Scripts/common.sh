# Shared by the scripts of this folder and of Benchmarks/: where things are kept, how to speak, how to wait for one another.
# Meant to be sourced by bash scripts that run under `set -euo pipefail`.

# The folder for everything that is fetched or derived and can be made again.
soranji_cache() {
    if [[ -n ${SORANJI_CACHE:-} ]]; then
        printf '%s\n' "$SORANJI_CACHE"
    elif [[ -n ${XDG_CACHE_HOME:-} ]]; then
        printf '%s\n' "$XDG_CACHE_HOME/soranji"
    elif [[ -n ${HOME:-} ]]; then
        printf '%s\n' "$HOME/.cache/soranji"
    elif HOME=$(getent passwd "$(id -u)" | cut -d : -f 6) && [[ -n $HOME ]]; then
        printf '%s\n' "$HOME/.cache/soranji"
    else
        fail "there is no home folder to keep files in" "set SORANJI_CACHE to a folder that you can write to"
    fi
}

say() { printf '%s\n' "$*" >&2; }

# fail MESSAGE [HINT]: one line of what is wrong, one line of what to do, exit code 1.
fail() {
    printf 'error: %s\n' "$1" >&2
    if [[ -n ${2:-} ]]; then printf 'hint: %s\n' "$2" >&2; fi
    exit 1
}

# hold_lock FILE: waits until no other process holds FILE, then holds it until this script ends.
# Two runs at the same moment therefore do the work once.
hold_lock() {
    mkdir -p "$(dirname "$1")"
    exec {lock_descriptor}>"$1"
    if ! flock --nonblock "$lock_descriptor"; then
        say "waiting for another run that holds $1"
        flock "$lock_descriptor"
    fi
}

sha256_of() { sha256sum -- "$1" | cut -d ' ' -f 1; }

# as_root COMMAND…: runs it as the superuser, with sudo where this user is another.
as_root() {
    if [[ $(id -u) -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root rights, and sudo is not installed: $*" "run that command as root, then try again"
    fi
}

# missing_packages NAME…: those Debian packages that are not installed, one a line.
missing_packages() {
    local name
    for name in "$@"; do
        if [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null) != installed ]]; then
            printf '%s\n' "$name"
        fi
    done
}

# install_packages NAME…: installs what is missing of them; says nothing when all are there.
# The package lists are refreshed only when apt does not know a name or cannot fetch the version that it knows.
install_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    if [[ ${#missing[@]} -eq 0 ]]; then return 0; fi
    command -v apt-get >/dev/null ||
        fail "these Debian packages are needed and apt-get is not here: ${missing[*]}" "install them with your system's package manager, then try again"
    say "installing ${missing[*]}"
    local log
    log=$(mktemp)
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install --yes --quiet --no-install-recommends)
    if ! as_root "${install[@]}" "${missing[@]}" >"$log" 2>&1 </dev/null; then
        say "refreshing the package lists"
        if ! { as_root apt-get -o DPkg::Lock::Timeout=600 update --quiet && as_root "${install[@]}" "${missing[@]}"; } \
            >>"$log" 2>&1 </dev/null; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            fail "apt-get could not install ${missing[*]}" "the lines above are apt's own"
        fi
    fi
    rm -f "$log"
}
