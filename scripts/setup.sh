#!/bin/sh
# Sets everything up in .venv: a virtual environment, the pinned dependencies, Chromium where no browser is found,
# bubblewrap, in which commands of an agent run, a desktop with programs, and a PostgreSQL server for the tests.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        echo "setup: this needs root: $*" >&2
        exit 1
    fi
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        echo "setup: please install $* yourself, then run this again" >&2
        exit 1
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$python" -m venv .venv 2>/dev/null; then
    echo "setup: installing python3-venv"
    install_packages python3-venv
    "$python" -m venv .venv
fi

echo "setup: installing the pinned dependencies into .venv (a minute or two)"
# --no-compile: byte code is made for what is used, when it is used.
.venv/bin/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt "torch==2.13.0"
.venv/bin/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e ".[test]"

# The type checker knows no editable installs: it finds the package under its name here.
mkdir -p .venv/typing
ln -sfn ../.. .venv/typing/grokputer

if ! .venv/bin/python -c 'from grokputer.runners.environments.browser import find_browser; find_browser()' 2>/dev/null; then
    echo "setup: no browser found, installing Chromium"
    install_packages chromium
fi
if [ "$(uname)" = Linux ] && ! command -v bwrap >/dev/null; then
    echo "setup: installing bubblewrap"
    install_packages bubblewrap
fi
# What docs/desktop.md names: the parts of a private desktop, and the programs that its tasks are about.
if [ "$(uname)" = Linux ] && ! { command -v Xvfb && command -v openbox && command -v mousepad && command -v pcmanfm &&
    ls /usr/lib/*/gtk-2.0/modules/libatk-bridge.so; } >/dev/null 2>&1; then
    echo "setup: installing a desktop"
    install_packages xvfb openbox at-spi2-core libatk-adaptor libgail-common dbus mousepad pcmanfm galculator zenity l3afpad lxappearance \
        featherpad adwaita-icon-theme fonts-dejavu-core
fi
# A server for the tests of a log in PostgreSQL: they start one of their own, so the package's cluster is not made.
if [ "$(uname)" = Linux ] && ! { command -v pg_ctl || ls /usr/lib/postgresql/*/bin/pg_ctl; } >/dev/null 2>&1; then
    echo "setup: installing PostgreSQL"
    install_packages postgresql-common
    as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    install_packages postgresql
fi
touch .venv/ready
