#!/usr/bin/env bash
# Makes .venv with everything that netlens needs, and does nothing where nothing has changed.
# Usage: ./setup.sh [EXTRA…]    extras of pyproject.toml, `test` by default; PYTHON=… chooses the Python.
# Where `test` is named, also what tests need of Debian: a browser and a database server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
for_tests=no
case " $* " in *" test "*) for_tests=yes ;; esac
[ $# -gt 0 ] || set -- test

say() { printf 'setup: %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Installs Debian packages where we are root; elsewhere, or where that fails, returns 1. Prints only errors.
install_debian_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 1
    say "installing Debian's $*"
    local log
    log=$(apt-get -q update 2>&1; DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@" 2>&1) \
        || { printf '%s\n' "$log" | tail -n 5 >&2; return 1; }
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

make_environment() {
    local python version
    if [ -n "${PYTHON:-}" ]; then
        python=$(find_python) || stop "$PYTHON (from PYTHON) is not a Python of version 3.11 or newer"
    else
        python=$(find_python) || stop "no Python of version 3.11 or newer found: install it (Debian 12: apt-get install python3) or name it, PYTHON=/path/to/python ./setup.sh"
    fi
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
        install_debian_packages "python$version-venv" \
            || stop "$python cannot make virtual environments: install its package for that (as root: apt-get install python$version-venv) and try again"
    fi
    say "making .venv with Python $version"
    "$python" -m venv --clear .venv
}

install_packages() {
    local extras=$1 free_gb started=$SECONDS
    if ! .venv/bin/python -c 'import torch' 2> /dev/null; then
        free_gb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1048576))
        if [ "$(uname -m)" = x86_64 ]; then
            [ "$free_gb" -ge 10 ] || say "only $free_gb GB of disk are free here, about 10 are needed"
            say "installing PyTorch and friends: about 6 GB, some minutes this first time"
        else
            say "installing PyTorch and friends: about 1.5 GB, some minutes this first time"
        fi
    else
        say "bringing .venv up to date"
    fi
    .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check -c constraints.txt -e ".[$extras]" \
        || stop "pip could not install everything (its words are above); nothing is lost, the same command tries again"
    # Their stated requirements contradict each other (see peers.txt), which pip would tell at length.
    case ",$extras," in *,test,*)
        .venv/bin/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps -r peers.txt 2> .venv/peers.log \
            || stop "pip could not install what netlens is compared with: $(tail -n 3 .venv/peers.log)" ;;
    esac
    say "ready after $((SECONDS - started)) s"
}

# The stamps say for which requirements, where, each extra was installed; written last, so that a stopped run goes on.
key=$({ pwd -P; cat pyproject.toml constraints.txt peers.txt; } | sha256sum)
missing=
for extra in "$@"; do
    [ "$(cat ".venv/.ready-$extra" 2> /dev/null)" = "$key" ] || missing=yes
done
if [ -n "$missing" ] || [ ! -x .venv/bin/netlens ]; then
    .venv/bin/python -m pip --version > /dev/null 2>&1 || make_environment
    install_packages "$(IFS=,; printf '%s' "$*")"
    for extra in "$@"; do printf '%s\n' "$key" > ".venv/.ready-$extra"; done
fi

if [ "$(uname -s)" = Linux ] && ! command -v bwrap > /dev/null; then
    install_debian_packages bubblewrap \
        || say "bubblewrap is missing, which locks submissions in: as root, apt-get install bubblewrap (\`netlens doctor\` tells what works without)"
fi

# Tests that need one of these skip, saying so, where it is missing.
if [ "$for_tests" = yes ] && [ "$(uname -s)" = Linux ]; then
    wanted=()
    command -v chromium > /dev/null || wanted+=(chromium)
    compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || wanted+=(postgresql)
    [ ${#wanted[@]} -eq 0 ] || install_debian_packages "${wanted[@]}" \
        || say "some tests will be skipped: as root, apt-get install ${wanted[*]}"
fi
