#!/bin/sh
# Makes the cluster as the public image of PostgreSQL does, from the same variables, and runs it.
set -eu
data=/var/lib/postgresql/data/cluster
if [ ! -s "$data/PG_VERSION" ]; then
    password=$(mktemp)
    echo "$POSTGRES_PASSWORD" >"$password"
    initdb -D "$data" -U "$POSTGRES_USER" --pwfile="$password" --auth-host=scram-sha-256 --encoding=UTF8 >/dev/null
    rm "$password"
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    pg_ctl -D "$data" -o "-c listen_addresses=''" -w start >/dev/null
    createdb -U "$POSTGRES_USER" "$POSTGRES_DB" 2>/dev/null || true
    pg_ctl -D "$data" -w stop >/dev/null
fi
exec postgres -D "$data" -c listen_addresses='*' -c max_connections=200
