"""The tables of a shared state: the SQL from each version to the next, and what each role may do with them.

Migrations only add, so that an older tool can go on working; `oldest` says which version of it can.
"""

VERSION = 3
OLDEST = 1  # the oldest version of this tool's tables that may still be used together with these

_VERSION_1 = """\
CREATE SCHEMA IF NOT EXISTS exolink;

CREATE TABLE exolink.version (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version integer NOT NULL,
    oldest integer NOT NULL               -- an older tool than this must not use these tables
);
INSERT INTO exolink.version (version, oldest) VALUES (0, 0);

-- The right to apply to a tenant of an API. It ends by itself; the token grows with each holder.
CREATE TABLE exolink.lease (
    origin text NOT NULL,
    tenant text NOT NULL,
    token bigint NOT NULL,
    run text,                             -- NULL: nobody holds it
    who text NOT NULL,
    host text NOT NULL,
    taken timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    PRIMARY KEY (origin, tenant)
);

-- The writes. An intent is made by the statement that checks the token of its lease.
CREATE TABLE exolink.op (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intent uuid NOT NULL UNIQUE,          -- so that a commit that is repeated makes one row
    token bigint NOT NULL,
    run text NOT NULL,
    digest text NOT NULL,
    who text NOT NULL,
    origin text NOT NULL,
    tenant text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    action text NOT NULL,
    remote_id bigint,
    before text NOT NULL,                 -- JSON, secrets masked
    after text NOT NULL,
    intended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,                  -- when it was last sent, where that is not when it was intended
    api_date double precision,            -- the API's own clock then
    attempts integer NOT NULL DEFAULT 1,
    answered boolean NOT NULL DEFAULT false,
    deleted boolean NOT NULL DEFAULT false,
    made bigint,
    outcome text,                         -- NULL while open
    code text,
    detail text
);
CREATE INDEX op_open ON exolink.op (origin, tenant) WHERE outcome IS NULL;
CREATE INDEX op_made ON exolink.op (origin, tenant, (coalesce(sent_at, intended_at))) WHERE made IS NOT NULL;
CREATE INDEX op_run ON exolink.op (run);

CREATE TABLE exolink.seen (
    origin text NOT NULL, tenant text NOT NULL, kind text NOT NULL, rows bigint NOT NULL,
    PRIMARY KEY (origin, tenant, kind)
);

CREATE TABLE exolink.base (
    origin text NOT NULL, tenant text NOT NULL, kept_at timestamptz NOT NULL, content bytea NOT NULL,
    PRIMARY KEY (origin, tenant)
);

CREATE TABLE exolink.audit (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run text NOT NULL,
    who text NOT NULL,
    origin text NOT NULL,
    line json NOT NULL
);
"""

_VERSION_2 = """\
CREATE INDEX op_made_at ON exolink.op (origin, tenant, kind, name, number) WHERE made IS NOT NULL;
"""

_VERSION_3 = """\
-- The servers that this state was on: where another one answers, the last commits of the one before may be lost.
CREATE TABLE exolink.server (
    id text PRIMARY KEY,                  -- its system identifier and timeline
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
DO $$ BEGIN
    INSERT INTO exolink.server (id)
    SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system();
EXCEPTION WHEN OTHERS THEN NULL;          -- a service that does not tell
END $$;
"""

MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)
MARK = f"UPDATE exolink.version SET version = {VERSION}, oldest = {OLDEST};\n"

_CREATE_ROLES = """\
DO $$
DECLARE wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['exolink_reader', 'exolink_writer', 'exolink_owner'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
END $$;
"""
# What each role may do. A writer can add to the audit record, but neither change nor delete what is in it.
GRANTS = {
    "exolink_reader": """\
GRANT USAGE ON SCHEMA exolink TO exolink_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA exolink TO exolink_reader;
""",
    "exolink_writer": """\
GRANT USAGE ON SCHEMA exolink TO exolink_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA exolink TO exolink_writer;
GRANT INSERT, UPDATE ON exolink.lease, exolink.op, exolink.seen, exolink.base, exolink.server TO exolink_writer;
GRANT INSERT ON exolink.audit TO exolink_writer;
""",
    "exolink_owner": """\
GRANT ALL ON SCHEMA exolink TO exolink_owner;
GRANT ALL ON ALL TABLES IN SCHEMA exolink TO exolink_owner;
""",
}


def script() -> str:
    """The complete SQL for a new database, as `store init --sql` prints it: tables, roles, grants."""
    return "\n".join(
        [
            "-- The shared state of exolink-reconcile: run this once, in the database that --state names.",
            "BEGIN;",
            *MIGRATIONS,
            MARK + "COMMIT;\n",
            "-- Roles without a login: GRANT exolink_writer TO the user that applies, exolink_reader to who plans.",
            _CREATE_ROLES,
            *GRANTS.values(),
        ]
    )
