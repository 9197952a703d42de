#!/usr/bin/env bash
# Builds and runs what deploy/ has, but for Grafana, with podman: lint, health checks, a rolling update, a container killed under
# load, and the fleet in which nginx draws. It needs root, podman with runc, and 'make setup'; no registry of images is asked.
#   deploy/check.sh          everything
#   deploy/check.sh lint     what needs no container
# It exits with 77 where this machine runs no containers. 'make containers' installs what it needs on Debian.
# BASE=docker.io/library/python:3.11-slim-bookworm uses that image; by default one is made with debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."

BASE=${BASE:-localhost/debian-python:bookworm}
tools=.venv/compose/bin
project=grokputer-check
work=$(mktemp -d)
url=http://127.0.0.1:18080
export POSTGRES_PASSWORD=of-the-check GROKPUTER_IMAGE=localhost/grokputer-check:latest GROKPUTER_WORKER_IMAGE=localhost/grokputer-check:latest
export NGINX_IMAGE=localhost/check-nginx POSTGRES_IMAGE=localhost/check-postgres PROMETHEUS_IMAGE=localhost/check-prometheus
export GROKPUTER_PORT=127.0.0.1:18080 PROMETHEUS_PORT=19090 METRICS_KEY_FILE=$work/metrics.key STABLE_VERSION=base CANARY_VERSION=lora-v1
export CONTAINERS_CONF=$work/containers.conf

# Not every machine lets a container raise its limits, and runc runs with the older groups of processes too.
printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n[engine]\nruntime = "runc"\n[network]\nnetwork_backend = "netavark"\n' >"$CONTAINERS_CONF"

say() { echo "check: $*"; }
fail() { echo "check: FAILED: $*" >&2; exit 1; }
compose() { "$tools/podman-compose" -p $project -f deploy/compose.yaml "$@"; }
of() { podman ps -q --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1"; }
grokputer() { podman exec "$(of gateway | head -1)" grokputer "$@"; }
until_true() {  # WHAT COMMAND...: at most a minute
    local what=$1; shift
    for _ in $(seq 120); do "$@" >/dev/null 2>&1 && return; sleep 0.5; done
    fail "$what"
}

clean() {
    podman ps -aq --filter "label=com.docker.compose.project=$project" | xargs -r podman rm -f -t 1 >/dev/null 2>&1 || true
    podman volume ls -q | grep "^${project}_" | xargs -r podman volume rm >/dev/null 2>&1 || true
    podman network rm -f ${project}_default >/dev/null 2>&1 || true
}

lint() {
    "$tools/hadolint" --ignore DL3008 --ignore DL3013 deploy/Dockerfile
    say "Dockerfile: no finding"
    compose config >/dev/null
    compose -f deploy/compose.canary.yaml config >/dev/null
    say "compose files: read"
    "$tools/kubernetes-validate" --strict deploy/kubernetes/[!k]*.yaml >/dev/null
    say "Kubernetes manifests: as their schemas"
    .venv/bin/python - <<'PYTHON'
import json, pathlib, yaml
folder = pathlib.Path("deploy/kubernetes")
listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
assert sorted(listed) == sorted(it.name for it in folder.glob("*.yaml") if it.name != "kustomization.yaml")
all = [it for file in listed for it in yaml.safe_load_all((folder / file).read_text())]
of = {(it["kind"], it["metadata"]["name"]): it for it in all}
assert [name for kind, name in of if kind == "HorizontalPodAutoscaler"] == ["gateway"]
assert of["Deployment", "worker"]["spec"]["replicas"] == 1 and of["Deployment", "worker"]["spec"]["strategy"] == {"type": "Recreate"}
[gateway] = of["Deployment", "gateway"]["spec"]["template"]["spec"]["containers"]
assert {f"{it}Probe" for it in ("startup", "liveness", "readiness")} <= set(gateway)
grafana = pathlib.Path("deploy/grafana")
[source] = yaml.safe_load((grafana / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
assert source["url"] == "http://prometheus:9090"
assert yaml.safe_load((grafana / "provisioning/dashboards/grokputer.yaml").read_text())["providers"]
assert json.loads((grafana / "dashboard.json").read_text())["panels"]
PYTHON
    say "Kubernetes: gateways scale, the one worker does not; Grafana: provisioning and dashboard read"
}

build() {
    if [ "$BASE" = localhost/debian-python:bookworm ] && ! podman image exists "$BASE"; then
        debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/root" >"$work/base.log" ||
            { echo "check: no base image can be made here: $(tail -1 "$work/base.log")" >&2; exit 77; }
        tar -C "$work/root" -c . | podman import - "$BASE" >/dev/null
        rm -rf "$work/root"
    fi
    podman run --rm "$BASE" true 2>"$work/run.log" || { echo "check: no container runs here: $(tail -1 "$work/run.log")" >&2; exit 77; }
    local given=(--network host -v /etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro --build-arg "BASE=$BASE")
    [ -f /etc/pip.conf ] && given+=(-v /etc/pip.conf:/etc/pip.conf:ro)
    for image in nginx prometheus postgres; do
        podman build -q "${given[@]}" --target $image -t localhost/check-$image -f deploy/check/Dockerfile deploy/check >/dev/null
    done
    podman build -q "${given[@]}" -t "$GROKPUTER_IMAGE" -f deploy/Dockerfile . >/dev/null
    size() { podman image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.0f MB", $1 / 1e6 }'; }
    say "built an image of $(size "$GROKPUTER_IMAGE"), of which the base has $(size "$BASE")"
}

lint_within() {
    podman run --rm -v "$PWD/deploy/prometheus:/etc/prometheus:ro" -v "$METRICS_KEY_FILE:/etc/grokputer/metrics.key:ro" \
        --entrypoint promtool $PROMETHEUS_IMAGE check config /etc/prometheus/fleet.yml >/dev/null
    for conf in spread split; do
        podman run --rm --read-only --tmpfs /tmp --add-host gateway:127.0.0.1 --add-host canary:127.0.0.1 \
            -v "$PWD/deploy/nginx:/etc/nginx/grokputer:ro" $NGINX_IMAGE nginx -q -t -c /etc/nginx/grokputer/$conf.conf 2>"$work/nginx.log" || { cat "$work/nginx.log"; fail "nginx -t"; }
    done
    say "nginx -t and promtool: no finding"
}

start() {  # FILES... : the fleet, on a log in which lora-v1 is a canary
    clean
    echo none >"$METRICS_KEY_FILE"
    compose "$@" up -d --no-deps postgres >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "PostgreSQL does not start"; }
    until_true "PostgreSQL is healthy" podman healthcheck run "$(of postgres)"
    rm -f "$work/log.jsonl"
    .venv/bin/python deploy/check/made_log.py "$work/log.jsonl"
    chmod 755 "$work"; chmod 644 "$work/log.jsonl"
    podman run --rm --network ${project}_default -e PGPASSWORD=$POSTGRES_PASSWORD -v "$work:/given:ro" -v ${project}_home:/var/lib/grokputer:U \
        $GROKPUTER_IMAGE log import /given/log.jsonl --db postgresql://grokputer@postgres/grokputer >/dev/null 2>&1
    podman run -d --name ${project}_upstream --network ${project}_default --network-alias upstream \
        --label com.docker.compose.project=$project --read-only -v "$PWD/deploy/check:/check:ro" \
        --entrypoint python3 $GROKPUTER_IMAGE /check/upstream.py >/dev/null
}

keys() {
    until_true "a gateway is ready" healthy gateway
    grokputer keys create prometheus --scope metrics 2>/dev/null >"$METRICS_KEY_FILE"; chmod 644 "$METRICS_KEY_FILE"
    key=$(grokputer keys create check --scope infer --scope feedback 2>/dev/null)
}

healthy() {  # SERVICE: every container of it
    local ids; ids=$(of "$1"); [ -n "$ids" ] || return 1
    for id in $ids; do podman healthcheck run "$id" || return 1; done
}

count_is() { [ "$(of "$1" | wc -l)" = "$2" ]; }
load() { .venv/bin/python deploy/check/load.py $url "$key" "$@"; }
reload() { podman exec "$(of nginx)" nginx -c /etc/nginx/grokputer/"$1".conf -s reload; }
series() { curl -fsS "http://127.0.0.1:19090/api/v1/query?query=up%7Bjob%3D%22grokputer%22%7D%3D%3D1" | grep -o '"instance"' | wc -l; }
sees() { [ "$(series)" = "$1" ]; }

spread() {
    start
    compose up -d --no-deps --scale gateway=3 gateway worker >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "the fleet does not start"; }
    until_true "three gateways" count_is gateway 3
    keys
    compose up -d --no-deps --no-recreate --scale gateway=3 nginx prometheus >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "nginx or Prometheus does not start"; }
    until_true "all gateways are healthy" healthy gateway
    until_true "nginx answers" curl -fsS $url/health/ready
    until_true "Prometheus sees three gateways" sees 3
    worker_runs="$(grokputer doctor 2>/dev/null | grep -c 'is at work' || true)"
    [ "$worker_runs" = 1 ] || fail "no worker is at work"
    say "three gateways are healthy, one worker is at work, Prometheus reads all three"
    walls
    say "300 answers by 8 clients: $(load 300 8)"
    update_one_by_one
    kill_one
}

walls() {  # what a process of the image cannot do
    local id; id=$(of gateway | head -1)
    [ "$(podman exec "$id" id -u)" = 10001 ] || fail "it runs as root"
    podman exec "$id" sh -c 'touch /opt/x' 2>/dev/null && fail "the root can be written"
    podman exec "$id" sh -c 'grep -q "CapEff:.0*$" /proc/1/status' || fail "it has capabilities"
    say "a gateway is no root, has no capabilities, and cannot write its root"
}

update_one_by_one() {
    printf 'FROM %s\nLABEL next=1\n' "$GROKPUTER_IMAGE" | podman build -q -t "$GROKPUTER_IMAGE" - >/dev/null
    rm -f "$work/stop"
    load 100000 8 "$work/stop" >"$work/load.json" & local loading=$!
    for id in $(of gateway); do
        podman stop -t 60 "$id" >/dev/null 2>&1
        podman rm "$id" >/dev/null 2>&1
        compose up -d --no-deps --no-recreate --scale gateway=3 gateway >"$work/up.log" 2>&1
        until_true "three gateways again" count_is gateway 3
        until_true "the new gateway is healthy" healthy gateway
        until_true "nginx knows the new gateway" reload spread
    done
    touch "$work/stop"
    wait $loading || { cat "$work/load.json"; fail "an answer was lost in a rolling update"; }
    for id in $(of gateway); do
        [ "$(podman inspect --format '{{index .Config.Labels "next"}}' "$id")" = 1 ] || fail "a gateway is still the old one"
    done
    say "rolling update of three gateways under load: $(cat "$work/load.json")"
}

kill_one() {
    load 400 16 >"$work/load.json" & local loading=$!
    sleep 1
    podman kill -s KILL "$(of gateway | head -1)" >/dev/null 2>&1
    wait $loading || { cat "$work/load.json"; fail "an answer was lost with a killed container"; }
    say "one of three gateways killed under load: $(cat "$work/load.json")"
}

split() {
    start -f deploy/compose.canary.yaml
    compose -f deploy/compose.canary.yaml up -d --no-deps --scale gateway=9 gateway canary >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "the fleet does not start"; }
    until_true "nine stable gateways" count_is gateway 9
    keys
    compose -f deploy/compose.canary.yaml up -d --no-deps --no-recreate --scale gateway=9 nginx >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "nginx does not start"; }
    until_true "all are healthy" healthy gateway
    until_true "the canary is healthy" healthy canary
    until_true "nginx answers" curl -fsS $url/health/ready
    say "nginx draws, 9 stable and 1 canary: $(load 300 8)"
    podman kill -s KILL "$(of canary)" >/dev/null 2>&1
    say "the canary killed: $(load 100 8)"
    local drawn; drawn=$(grokputer log --event TaskStarted --json | grep -c '"drawn_by": *"nginx"' || true)
    [ "$drawn" -ge 400 ] || fail "the log says of $drawn runs that nginx drew them"
    say "the log says of $drawn runs that nginx drew them"
}

[ -e .venv/compose/ready ] || scripts/test_tools.sh containers
lint
[ "${1:-}" = lint ] && exit
command -v podman >/dev/null || fail "podman is not installed"
trap 'clean; rm -rf "$work"' EXIT
build
echo none >"$METRICS_KEY_FILE"; chmod 755 "$work"; chmod 644 "$METRICS_KEY_FILE"
lint_within
spread
split
say "passed"
