# Run once by the image of PostgreSQL, when its volume is empty: a database and a role each for Dagster and for the catalog.
# It is read by the image's own shell, so it sets nothing there.
psql -v ON_ERROR_STOP=1 --username postgres --dbname postgres -v dagster="${DAGSTER_PASSWORD:?}" -v catalog="${CATALOG_PASSWORD:?}" <<'SQL'
create role dagster login password :'dagster';
create role catalog login password :'catalog';
create database dagster owner dagster;
create database catalog owner catalog;
revoke connect on database dagster, catalog from public;
SQL
