#!/usr/bin/env bash
# Prepares Gradescope's image once, as root, when the autograder is built; needs Ubuntu 22.04 or newer, or Debian 12.
# It installs Python 3.11 or newer where there is none, bubblewrap, and the packages of requirements.txt. PyTorch comes
# from its own index without CUDA (about 200 MB) or, where that cannot be reached, from PyPI (about 3 GB). The networks'
# weights come from this zip. A Python that has all of it already is used as it is.
set -euo pipefail
root=${NETLENS_AUTOGRADER_ROOT:-/autograder}
source=$root/source
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'netlens: %s\n' "$*"; }
stop() { printf 'netlens: %s\n' "$*" >&2; exit 1; }

install_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || return 1
    apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$@"
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; }

has_all() {
    "$1" - "$here/requirements.txt" 2> /dev/null << 'PYTHON'
import importlib.metadata, re, sys
for line in open(sys.argv[1]):
    importlib.metadata.version(re.match(r"[A-Za-z0-9._-]+", line)[0])
PYTHON
}

python=
for candidate in ${NETLENS_AUTOGRADER_PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if new_enough "$candidate" && has_all "$candidate"; then
        python=$(command -v "$candidate")
        say "$python has every package already"
        break
    fi
done

if [ -z "$python" ]; then
    for candidate in python3.11 python3.12 python3.13 python3; do
        if new_enough "$candidate" && "$candidate" -c 'import ensurepip, venv' 2> /dev/null; then base=$candidate; break; fi
    done
    if [ -z "${base:-}" ]; then
        # Debian 12 and Ubuntu 22.04 have python3.11, Ubuntu 24.04 has python3.12.
        install_packages python3.11 python3.11-venv || install_packages python3.12 python3.12-venv \
            || stop "no Python of version 3.11 or newer: choose a base image of Ubuntu 22.04 or newer"
        base=$(command -v python3.11 || command -v python3.12)
    fi
    "$base" -m venv "$root/venv"
    python=$root/venv/bin/python
    pip_install() {
        "$python" -m pip install --quiet --no-input --disable-pip-version-check --no-cache-dir \
            --constraint "$here/constraints.txt" "$@"
    }
    # What is here then fits what the second command asks for.
    pip_install --retries 1 --no-deps --index-url https://download.pytorch.org/whl/cpu torch torchvision \
        || say "no PyTorch from its own index: PyPI's, with CUDA, it is (about 3 GB)"
    pip_install --find-links "$here/wheels" --requirement "$here/requirements.txt" \
        || stop "pip could not install everything; its words are above"
fi

command -v bwrap > /dev/null || install_packages bubblewrap \
    || say "bubblewrap is missing: submissions will run in the reduced sandbox"

printf '%s\n' "$python" > "$here/python"
[ "$here" = "$source" ] || say "note: Gradescope unpacks the zip to $source, this is $here"
PYTHONPATH=$here/packages TORCH_HOME=$here/torch_home "$python" -s -m netlens_core.grading.exports.autograder --try "$root"
