"""The SQL of a shared state. No statement needs a session, and each may be repeated."""

VERSION = "SELECT version, oldest FROM exolink.version"
# The server that answers: how long it is known, and whether there was another one before. A standby that takes over starts
# a timeline of its own; a restored copy is another system, or another timeline.
SERVER = """
INSERT INTO exolink.server AS known (id)
SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()
ON CONFLICT (id) DO UPDATE SET id = excluded.id
RETURNING extract(epoch FROM clock_timestamp() - since)::float8 AS age,
    EXISTS (SELECT FROM exolink.server AS other WHERE other.id <> known.id AND other.since < known.since) AS took_over
"""
TAKE = """
INSERT INTO exolink.lease AS held (origin, tenant, token, run, who, host, taken, seen, expires)
VALUES (%(origin)s, %(tenant)s, 1, %(run)s, %(who)s, %(host)s,
        clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => %(lease)s))
ON CONFLICT (origin, tenant) DO UPDATE SET
    token = held.token + 1, run = excluded.run, who = excluded.who, host = excluded.host,
    taken = excluded.taken, seen = excluded.seen, expires = excluded.expires
WHERE held.run IS NULL OR held.run = excluded.run OR held.expires <= clock_timestamp()
RETURNING token
"""
# In the order of the tenants, as OURS locks them: otherwise the two could wait for each other.
RENEW = """
WITH ours AS MATERIALIZED (
    SELECT lease.tenant
    FROM exolink.lease JOIN unnest(%(tenants)s::text[], %(tokens)s::bigint[]) AS held (tenant, token)
        ON lease.tenant = held.tenant AND lease.token = held.token
    WHERE lease.origin = %(origin)s AND lease.run = %(run)s AND lease.expires > clock_timestamp()
    ORDER BY lease.tenant
    FOR UPDATE OF lease
)
UPDATE exolink.lease SET seen = clock_timestamp(), expires = clock_timestamp() + make_interval(secs => %(lease)s)
FROM ours
WHERE lease.origin = %(origin)s AND lease.tenant = ours.tenant
RETURNING lease.tenant
"""
RELEASE = """
UPDATE exolink.lease SET run = NULL, expires = clock_timestamp()
WHERE origin = %(origin)s AND run = %(run)s RETURNING tenant
"""
HOLDER = """
SELECT who, host, extract(epoch FROM clock_timestamp() - seen)::float8 AS quiet,
    extract(epoch FROM expires - clock_timestamp())::float8 AS left
FROM exolink.lease WHERE origin = %(origin)s AND tenant = %(tenant)s
"""
LEASES = """
SELECT origin, tenant, token, run, who, host, extract(epoch FROM taken)::float8 AS taken,
    extract(epoch FROM seen)::float8 AS seen, extract(epoch FROM expires)::float8 AS expires
FROM exolink.lease WHERE run IS NOT NULL AND expires > clock_timestamp() ORDER BY origin, tenant
"""
BREAK = """
UPDATE exolink.lease SET run = NULL, expires = clock_timestamp()
WHERE origin = %(origin)s AND tenant = %(tenant)s AND token = %(token)s AND run = %(run)s
    AND expires > clock_timestamp()
RETURNING tenant
"""
# FOR SHARE: a run that takes the lease over waits for this statement, and this statement waits for it.
OURS = """
WITH ours AS MATERIALIZED (
    SELECT lease.tenant, lease.token
    FROM exolink.lease JOIN unnest(%(tenants)s::text[], %(tokens)s::bigint[]) AS held (tenant, token)
        ON lease.tenant = held.tenant AND lease.token = held.token
    WHERE lease.origin = %(origin)s AND lease.run = %(run)s AND lease.expires > clock_timestamp()
    ORDER BY lease.tenant
    FOR SHARE OF lease
)
"""
# A standby lacks the newest commits: where the last intent of this run is there, all of them are.
REMEMBERS = "SELECT 1 FROM exolink.op WHERE intent = %(last)s"
# All that waits, in one statement: with several, each write would wait for as many commits.
CHANGE = (
    OURS
    + f"""
, intended AS (
    INSERT INTO exolink.op (intent, token, run, digest, who, origin, tenant, kind, name, action, remote_id, before, after,
        api_date)
    SELECT new.intent, ours.token, %(run)s, %(digest)s, %(who)s, %(origin)s, new.tenant, new.kind, new.name, new.action,
        new.remote_id, new.before::text, new.after::text, new.api_date
    FROM ROWS FROM (
        unnest(%(intend_intent)s::uuid[], %(intend_tenant)s::text[], %(intend_kind)s::text[], %(intend_name)s::text[],
            %(intend_action)s::text[], %(intend_remote_id)s::bigint[], %(intend_api_date)s::float8[]),
        json_array_elements(%(intend_before)s::json), json_array_elements(%(intend_after)s::json)
    ) AS new (intent, tenant, kind, name, action, remote_id, api_date, before, after)
    JOIN ours ON ours.tenant = new.tenant
    WHERE %(last)s::uuid IS NULL OR EXISTS ({REMEMBERS})
    ON CONFLICT (intent) DO UPDATE SET intent = excluded.intent
    RETURNING intent
), sent AS (
    UPDATE exolink.op SET sent_at = clock_timestamp(), attempts = attempts + 1,
        api_date = coalesce(again.api_date, op.api_date)
    FROM unnest(%(sending_intent)s::uuid[], %(sending_api_date)s::float8[]) AS again (intent, api_date), ours
    WHERE op.intent = again.intent AND ours.tenant = op.tenant
    RETURNING op.intent
), marked AS (
    UPDATE exolink.op SET answered = answered OR NOT answer.deleted_only, deleted = deleted OR answer.deleted_only
    FROM unnest(%(answered_intent)s::uuid[], %(answered_deleted_only)s::boolean[]) AS answer (intent, deleted_only)
    WHERE op.intent = answer.intent
    RETURNING op.intent
)
SELECT intent FROM intended UNION ALL SELECT intent FROM sent UNION ALL SELECT intent FROM marked
"""
)
COLUMNS = """
number, run, digest, who, origin, tenant, kind, name, action, remote_id, before, after,
extract(epoch FROM intended_at)::float8 AS intended_at, sent_at IS NOT NULL AS again,
extract(epoch FROM clock_timestamp() - coalesce(sent_at, intended_at))::float8 AS age,
api_date, attempts, answered, deleted, made, outcome, code, detail
"""
RETURNED = f"""
RETURNING {", ".join(f"op.{name}" for name in ("number", "intent", "run", "digest", "tenant", "kind", "name", "action", "remote_id", "before", "after", "outcome"))},
    extract(epoch FROM op.intended_at)::float8 AS intended_at
"""
# By intent, not by number: a standby that took over may assign a number again. What another run closed stays closed.
SETTLE = f"""
UPDATE exolink.op SET outcome = coalesce(closed.outcome, op.outcome), answered = op.answered OR closed.answered,
    made = coalesce(closed.made, op.made), code = closed.code, detail = closed.detail
FROM unnest(%(intent)s::uuid[], %(outcome)s::text[], %(answered)s::boolean[], %(made)s::bigint[], %(code)s::text[],
    %(detail)s::text[]) AS closed (intent, outcome, answered, made, code, detail)
WHERE op.intent = closed.intent
{RETURNED}"""
SETTLE_EARLIER = f"""
UPDATE exolink.op SET outcome = closed.outcome, made = coalesce(closed.made, op.made)
FROM unnest(%(number)s::bigint[], %(outcome)s::text[], %(made)s::bigint[]) AS closed (number, outcome, made)
WHERE op.number = closed.number
{RETURNED}"""
AUDIT = """
INSERT INTO exolink.audit (id, run, who, origin, line)
SELECT id, %(run)s, %(who)s, %(origin)s, line
FROM ROWS FROM (unnest(%(id)s::uuid[]), json_array_elements(%(lines)s::json)) AS new (id, line)
ON CONFLICT (id) DO NOTHING
"""
SEEN = "SELECT tenant, kind, rows FROM exolink.seen WHERE origin = %(origin)s"
SAW = """
INSERT INTO exolink.seen (origin, tenant, kind, rows)
SELECT %(origin)s, * FROM unnest(%(tenant)s::text[], %(kind)s::text[], %(rows)s::bigint[])
ON CONFLICT (origin, tenant, kind) DO UPDATE SET rows = excluded.rows
"""
BASE = """
SELECT extract(epoch FROM kept_at)::float8 AS kept_at, content FROM exolink.base
WHERE origin = %(origin)s AND tenant = %(tenant)s
"""
KEEP_BASE = """
INSERT INTO exolink.base (origin, tenant, kept_at, content)
VALUES (%(origin)s, %(tenant)s, clock_timestamp(), %(content)s)
ON CONFLICT (origin, tenant) DO UPDATE SET kept_at = excluded.kept_at, content = excluded.content
"""
# Not clock_timestamp(): it may change while the statement runs, so PostgreSQL could not use an index.
MADE_LATELY = f"""
SELECT {COLUMNS} FROM exolink.op
WHERE made IS NOT NULL AND origin = %(origin)s AND tenant = %(tenant)s
    AND coalesce(sent_at, intended_at) > statement_timestamp() - make_interval(secs => %(window)s)
ORDER BY coalesce(sent_at, intended_at)
"""
LAST_MADE = """
SELECT tenant, kind, name, made
FROM exolink.op JOIN unnest(%(tenants)s::text[], %(kinds)s::text[], %(names)s::text[]) AS wanted (tenant, kind, name)
    USING (tenant, kind, name)
WHERE made IS NOT NULL AND origin = %(origin)s
ORDER BY number
"""
