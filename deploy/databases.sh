#!/bin/sh
# One database and one user per service; PostgreSQL's image runs it at its first start. Again it changes nothing.
set -eu

database() { # name, password
    psql --set ON_ERROR_STOP=1 --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres \
        --set name="$1" --set password="$2" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'name', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'name') \gexec
SQL
}

database driftloop "$DRIFTLOOP_DB_PASSWORD"
database prefect "$PREFECT_DB_PASSWORD"
database mlflow "$MLFLOW_DB_PASSWORD"
database label_studio "$LABEL_STUDIO_DB_PASSWORD"
