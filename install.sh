#!/bin/sh
# Makes an environment and installs the course into it: `sh install.sh` into .venv for learners, `sh install.sh .venv dev`
# for developers. The Makefile runs it. uv installs, or pip where there is no uv (or where INSTALLER=pip); both check each
# file's hash. A shell script, because it has to work, and to say what is missing, where there is no Python yet.
#
# The name of the environment says what it holds: the versions of the lock, but for
#     .venv-torch-2.9.1   this PyTorch, with the torchvision that belongs to it; .venv-torch-nightly, the newest of all
#     .venv-lowest        the lowest versions that pyproject.toml allows
#     .venv-python3.12    the same versions, in this Python
#
# `sh install.sh .venv --sound` only tells, by its exit status, whether .venv is there and can be used, and
# `sh install.sh --pythons` only lists the Pythons that such an environment can be made for.
venv=${1:-.venv}

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# An environment whose Python is gone, or that was moved (its files hold the path of its folder), is of no use.
is_sound() {
    [ "$(cat "$venv/.installed" 2>/dev/null)" = "$(pwd -P)" ] && "$venv/bin/python" -c '' >/dev/null 2>&1
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

# Sets $python: the one in the environment's name, from the PATH or from uv; else what PYTHON names, else python3, else
# the newest python3.x.
choose_python() {
    if [ "$venv" != "${venv#.venv-python}" ]; then
        set -- "${venv#.venv-}" "$(uv python find --system --no-python-downloads "${venv#.venv-python}" 2>/dev/null)"
    elif [ -n "${PYTHON:-}" ]; then
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

# Prints the name of each Python that is here, such as python3.12, from the oldest on.
list_pythons() {
    n=$oldest
    while [ "$n" -le "$newest" ]; do
        venv=.venv-python3.$n
        (choose_python) 2>/dev/null && echo "python3.$n"
        n=$((n + 1))
    done | grep . || fail "There is no python3.$oldest to python3.$newest on the PATH, and uv knows none."
}

# Sets $uv to the first of these that runs, else to nothing.
find_uv() {
    for uv in "$@"; do
        [ "${INSTALLER:-uv}" = uv ] && "$uv" --version >/dev/null 2>&1 && return
    done
    uv=
}

# One pip is among the packages. Where there is no uv, another has to come before them.
make_venv() {
    choose_python
    modules=venv
    [ -n "$uv" ] || modules='venv, ensurepip'
    "$python" -c "import $modules" 2>/dev/null || fail "Python $version has no ensurepip, without which it makes no \
$venv. On Debian and Ubuntu, run: sudo apt install python${version%.*}-venv; then run make again."
    said=$({
        "$python" -m venv --clear --without-pip "$venv" &&
            { [ -n "$uv" ] || "$venv/bin/python" -m ensurepip --default-pip; }
    } 2>&1) || explain "$said"
}

# uv writes its bars and its complaints to one stream, and draws only on a terminal: this parts them.
show_bars='
import fcntl, os, subprocess, sys, termios, tty
ours, theirs = os.openpty()
tty.setraw(theirs)
fcntl.ioctl(theirs, termios.TIOCSWINSZ, fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))  # as wide as the real one
uv = subprocess.Popen(sys.argv[1:], stderr=theirs)
os.close(theirs)
try:
    while said := os.read(ours, 2**16):
        bars, erase, rest = said.rpartition(b"\x1b[2K")
        is_bar = erase and b"\n" not in rest
        os.write(1, said if is_bar else bars + erase)
        os.write(2, b"" if is_bar else rest)
except OSError:  # the end, on Linux
    pass
sys.exit(uv.wait())'

# Installs with uv, or with pip. Both compile all modules, which uv by itself leaves to the first import, or to each where
# PYTHONDONTWRITEBYTECODE is set: importing PyTorch and torchvision then takes 2.5 times as long. Bars go to the terminal
# (with a log, pip -q leaves out all but them), complaints into $said: on a full disk there is no file to keep them in.
get() {
    {
        said=$(
            exec 2>&1 >&3
            if [ -z "$uv" ]; then
                PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0 \
                    "$venv/bin/python" -m pip install -q --log "$venv/install.log" "$@"
            elif [ -t 1 ]; then
                "$venv/bin/python" -c "$show_bars" "$uv" pip install --compile-bytecode --python "$venv/bin/python" "$@"
            else
                "$uv" pip install -q --compile-bytecode --python "$venv/bin/python" "$@"
            fi
        )
    } 3>&1
}

# Sets $uv to the uv of the lock. Where there is none for the machine it stays empty: pip goes on alone.
fetch_uv() {
    said=$(awk '/^[a-z]/ { wanted = /^uv==/ } wanted' requirements.lock 2>&1 >"$venv/uv.txt") || explain "$said"
    get --require-hashes --only-binary :all: -r "$venv/uv.txt" || name_fault "$said"
    find_uv "$venv/bin/uv"
}

# Has uv ask the mirror that pip would ask.
follow_pip() {
    mirror=${PIP_INDEX_URL:-$(cat /etc/pip.conf "$HOME/.pip/pip.conf" "$HOME/.config/pip/pip.conf" \
        "$HOME/Library/Application Support/pip/pip.conf" "$PIP_CONFIG_FILE" 2>/dev/null |
        sed -n 's/^index-url *[=:] *//p' | tail -n 1)}
    [ -z "$mirror" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$mirror}"
}

# Writes the lowest versions that pyproject.toml allows, and what else they need, into a file like the lock.
resolve_lowest() {
    [ -n "$uv" ] || fail "Only uv can find the lowest versions: install it, then run make again."
    said=$("$uv" pip compile pyproject.toml -q --python "$venv/bin/python" --extra test --resolution lowest-direct \
        --generate-hashes --no-annotate --no-header -o "$venv/lowest.txt" 2>&1) || explain "$said"
}

# Another PyTorch has other hashes than the lock, and brings its own CUDA, if any: another release, or the same release
# as another build, from an address.
get_another_pytorch() {
    said=$(awk '/^[a-z]/ { other = /^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/ } !other' "$1" \
        2>&1 >"$venv/others.txt") || explain "$said"
    get --require-hashes --no-deps --no-build-isolation -r "$venv/others.txt" || explain "$said"
    if [ -n "$address" ]; then
        export PIP_EXTRA_INDEX_URL="$address" UV_INDEX="$address" UV_INDEX_STRATEGY=unsafe-best-match
        printf '%s\n' "$address" >"$venv/.address"
    fi
    case $venv in
    .venv-torch-nightly) pair='--pre torch torchvision' ;;
    .venv-torch-*) pair="torch==${venv#.venv-torch-} torchvision" ;;
    *) pair=$(sed -n -e 's/^\(torch==[^ ]*\).*/\1/p' -e 's/^\(torchvision==[^ ]*\).*/\1/p' "$1") ;;
    esac
    # shellcheck disable=SC2086  # one word for each package
    get $pair || explain "$said"
}

install() {
    echo "Installing the course into $venv. The first time this downloads PyTorch, up to 3 GB: one to three minutes on a \
fast line."
    rm -f "$venv/install.log"
    follow_pip
    [ -n "$uv" ] || [ "${INSTALLER:-uv}" != uv ] || fetch_uv
    address=${PIP_EXTRA_INDEX_URL:-$(cat "$venv/.address" 2>/dev/null)}
    file=$1
    case $venv in
    .venv-torch-*) another=yes ;;
    .venv-lowest) another=$address file=$venv/lowest.txt && resolve_lowest ;;
    *) another=$address ;;
    esac
    if [ -n "$another" ]; then
        get_another_pytorch "$file"
    else
        get --require-hashes --no-deps --no-build-isolation -r "$file" || explain "$said"
    fi
    get --no-deps --no-build-isolation -e . || explain "$said"
}

# Fails with one sentence if what venv, pip or uv said is a fault from outside; pip's own processes complain in its log.
name_fault() {
    said=$(printf '%s\n' "$1" && grep -E 'WARNING: |ERROR: |Errno' "$venv/install.log" 2>/dev/null)
    [ -z "$uv" ] || printf '%s\n' "$1" 2>/dev/null >"$venv/install.log"
    details=$(ls "$venv/install.log" 2>/dev/null) # there is none before something is installed
    details=${details:+ Details: $details}
    case $said in
    *'[Errno 28]'* | *'[Errno 122]'* | *'No space left'* | *'quota exceeded'*)
        fail "The disk is full, here, in ${TMPDIR:-/tmp} or in your cache folder. Installing takes up to 12 GB on Linux \
and 3 GB elsewhere (the README tells how to get a smaller PyTorch): free some space, then run make again." ;;
    *'Hash mismatch'* | *'DO NOT MATCH THE HASHES'*)
        package=$(printf '%s\n' "$said" |
            sed -n -e 's/.*Hash mismatch for `\(.*\)`.*/\1/p' -e 's/^ *\([^ ]*==[^ ]*\) from .*/\1/p' | tail -n 1)
        fail "What came as ${package:-a package} is not what the lock names (its hash differs), so it was not installed: \
run make again, with another mirror if you use one; if that does not help, report it.$details" ;;
    *'Missing dependencies for SOCKS'*)
        fail "pip cannot use a SOCKS proxy: unset ALL_PROXY (and set HTTPS_PROXY=http://... if you need a proxy), or \
install uv, which can; then run make again." ;;
    *'connection broken'* | *onnectionError* | *onnectTimeout* | *'timed out'* | *ProxyError* | *'Proxy URL'* | \
        *'ailed to connect'* | *'error sending request'* | *'response body'*)
        fail "The packages cannot be reached: check the network (or the proxy), then run make again.$details" ;;
    esac
}

# Fails with one sentence for anything that was said.
explain() {
    name_fault "$1"
    reason=$(printf '%s\n' "$said" | sed -n -e 's/.*ERROR: //p' -e 's/.*error: //p' -e 's/^ *cause: //p' | tail -n 1)
    fail "Installing failed: ${reason:-$(printf '%s\n' "$1" | grep . | tail -n 1)}$details"
}

case ${2:-$1} in
--pythons)
    list_pythons
    exit
    ;;
--sound)
    is_sound
    exit
    ;;
esac
if is_sound; then
    find_uv uv "$venv/bin/uv"
else
    find_uv uv
    make_venv
fi
if [ "${2:-}" = dev ]; then
    install requirements.lock
    : >"$venv/.installed-dev"
else
    install requirements.txt
    pwd -P >"$venv/.installed"
fi
echo "Installed."
