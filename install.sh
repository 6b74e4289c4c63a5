#!/bin/sh
# Makes .venv and installs the course with one of its extras into it: `sh install.sh test`. The Makefile runs it.
# A shell script, because it has to work, and to say what is missing, where there is no Python yet.
# `sh install.sh --sound` only tells, by its exit status, whether .venv is there and can be used.

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# A .venv whose Python is gone, or that was moved (its files hold the path of its folder), is of no use.
is_sound() {
    [ "$(cat .venv/.installed 2>/dev/null)" = "$(pwd -P)" ] && .venv/bin/python -c '' >/dev/null 2>&1
}

# One source for the versions: `requires-python`, such as ">=3.11,!=3.14.1,<3.15".
requires=$(sed -n 's/^requires-python = "\([^"]*\)".*/\1/p' pyproject.toml)
oldest=$(expr "$requires" : '.*>=3\.\([0-9]*\)')
newest=$(($(expr "$requires" : '.*<3\.\([0-9]*\)') - 1))
unfit=$(expr "$requires" : '.*!=\([0-9.]*\)')

# Sets $version, empty where $1 does not run: the names that pyenv puts on the PATH may exist and still fail.
is_in_range() {
    version=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || version=
    minor=$(expr "$version" : '3\.\([0-9]*\)\.') || return 1
    [ "$minor" -ge "$oldest" ] && [ "$minor" -le "$newest" ] && [ "$version" != "$unfit" ]
}

# Sets $python: what PYTHON names, else python3, else the newest python3.x.
choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        # shellcheck disable=SC2046  # one word for each version
        set -- python3 $(n=$newest; while [ "$n" -ge "$oldest" ]; do echo "python3.$n"; n=$((n - 1)); done)
    fi
    found=
    for python in "$@"; do
        is_in_range "$python" && return
        [ -z "$version" ] || found="$found, $python is $version"
    done
    [ -n "$found" ] || found=", ${PYTHON:+at $PYTHON }none that runs"
    fail "This course needs Python 3.$oldest to 3.$newest${unfit:+ (but not $unfit)}; found: ${found#, }. \
Install one from https://www.python.org/downloads/, or name one that you have: make PYTHON=/path/to/python3.$newest"
}

make_venv() {
    choose_python
    "$python" -c 'import venv, ensurepip' 2>/dev/null || fail "Python $version has no ensurepip, without which it \
makes no .venv. On Debian and Ubuntu, run: sudo apt install python${version%.*}-venv; then run make again."
    said=$({ "$python" -m venv --clear --without-pip .venv && .venv/bin/python -m ensurepip --default-pip; } 2>&1) ||
        explain "$said"
}

# pip's progress bars stay on the terminal: with a log, -q drops the lines between them, but not the bars.
# What it complains about is kept in memory: on a full disk there is no file to keep it in.
install() {
    echo "Installing the course into .venv. The first time this downloads PyTorch, up to 3 GB, and takes minutes."
    rm -f .venv/install.log
    {
        said=$(PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0 .venv/bin/python -m pip install -q --log .venv/install.log \
            -c requirements.lock -e ".[$1]" 2>&1 >&3)
    } 3>&1 || explain "$said"
}

# Fails with one sentence for what venv or pip said; the processes that pip starts complain only in its log.
explain() {
    said=$(printf '%s\n' "$1" && grep -E 'WARNING: |ERROR: |Errno' .venv/install.log 2>/dev/null)
    case $said in
    *'[Errno 28]'* | *'[Errno 122]'* | *'No space left'* | *'quota exceeded'*)
        fail "The disk is full, here or in ${TMPDIR:-/tmp}. Installing takes up to 12 GB on Linux and 3 GB elsewhere \
(the README tells how to get a smaller PyTorch): free some space, then run make again." ;;
    *'connection broken'* | *onnectionError* | *onnectTimeout* | *'timed out'* | *ProxyError* | *'ailed to connect'*)
        fail "pip cannot reach the packages: check the network (or the proxy), then run make again. \
Details: .venv/install.log" ;;
    esac
    reason=$(printf '%s\n' "$said" | sed -n 's/.*ERROR: //p' | tail -n 1)
    details=$(ls .venv/install.log 2>/dev/null) # there is none before pip runs
    fail "Installing failed: ${reason:-$(printf '%s\n' "$1" | grep . | tail -n 1)}${details:+ Details: $details}"
}

if [ "${1:-}" = --sound ]; then
    is_sound
    exit
fi
is_sound || make_venv
install "${1:-test}"
if [ "${1:-test}" = test ]; then
    pwd -P >.venv/.installed
else
    : >".venv/.installed-$1"
fi
echo "Installed."
