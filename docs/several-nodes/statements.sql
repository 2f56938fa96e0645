-- time: the database's
PREPARE now_us AS SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT);

-- locks, always in this order: nodes, accounts by id, pots by id, leases
PREPARE fence (TEXT, BIGINT) AS
    SELECT 1 FROM nodes WHERE id = $1 AND epoch = $2 AND expires_at_us IS NOT NULL FOR KEY SHARE;
PREPARE lock_wallets (TEXT[]) AS
    SELECT id, credits_nusd - debits_nusd - held_nusd FROM accounts
    WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE;
PREPARE lock_pots (TEXT[]) AS
    SELECT id, limit_nusd, cap_nusd, taken_nusd, closed_at_us FROM pots
    WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE;
-- to end an epoch: waits for every transaction that stands on it
PREPARE lock_node (TEXT) AS
    SELECT epoch, process, attempt, first_epoch, expires_at_us FROM nodes WHERE id = $1 FOR UPDATE;

-- open: a window's pot, in the transaction that first asks for it. $1 pot, $2 budget, $3 start,
-- $4 end. Only once every living node has heard of the budget (see adoption).
PREPARE open_pot (TEXT, TEXT, BIGINT, BIGINT) AS
    INSERT INTO pots (id, organization_id, budget_id, window_at_us, limit_nusd, cap_nusd, taken_nusd)
    SELECT $1, b.organization_id, b.id, $3, b.limit_nusd, GREATEST(b.limit_nusd, t.taken), t.taken
    FROM budgets b, LATERAL (
        SELECT CAST(COALESCE((
            SELECT SUM(u.cost_nusd) FROM usage_hours u
            WHERE u.organization_id = b.organization_id AND u.hour_at_us >= $3 AND u.hour_at_us < $4
              AND (b.project_id IS NULL OR u.project_id = b.project_id)
              AND (b.key_id IS NULL OR u.key_id = b.key_id)), 0)
          + COALESCE((
            SELECT SUM(h.amount_nusd) FROM holds h
            WHERE h.organization_id = b.organization_id AND h.legs::jsonb ? $1), 0)
          + COALESCE((SELECT SUM(l.free_nusd) FROM leases l WHERE l.pot_id = $1), 0) AS BIGINT) AS taken
    ) t
    WHERE b.id = $2 AND b.force = 'hard'
    ON CONFLICT (id) DO NOTHING;

-- ask: read under the locks, decide by domain::lease::office (the same function), write
PREPARE read_leases (TEXT[], TEXT) AS
    SELECT asked.id, COALESCE(own.asked, 0), COALESCE(own.granted_nusd, 0),
           CAST(COALESCE((SELECT SUM(o.free_nusd) FROM leases o
                          WHERE o.pot_id = asked.id AND o.node_id <> $2), 0) AS BIGINT)
    FROM UNNEST($1) AS asked (id)
    LEFT JOIN leases own ON own.pot_id = asked.id AND own.node_id = $2;
PREPARE write_leases (TEXT, BIGINT, TEXT[], BIGINT[]) AS
    INSERT INTO leases (pot_id, node_id, free_nusd, asked, granted_nusd, recalled)
    SELECT id, $1, amount, $2, amount, 0 FROM UNNEST($3, $4) AS new (id, amount)
    ON CONFLICT (pot_id, node_id) DO UPDATE
    SET free_nusd = leases.free_nusd + EXCLUDED.free_nusd,
        asked = EXCLUDED.asked, granted_nusd = EXCLUDED.granted_nusd;
PREPARE take_wallet (TEXT, BIGINT) AS UPDATE accounts SET held_nusd = held_nusd + $2 WHERE id = $1;
PREPARE take_pot (TEXT, BIGINT) AS UPDATE pots SET taken_nusd = taken_nusd + $2 WHERE id = $1;
-- rows that a batch is writing are left for the next question: waiting here could deadlock
PREPARE recall (TEXT[], TEXT) AS
    UPDATE leases SET recalled = 1 FROM (
        SELECT pot_id, node_id FROM leases
        WHERE pot_id = ANY ($1) AND node_id <> $2 AND free_nusd > 0
        FOR NO KEY UPDATE SKIP LOCKED
    ) AS others
    WHERE leases.pot_id = others.pot_id AND leases.node_id = others.node_id
    RETURNING leases.node_id, pg_notify('farebox_recall', leases.node_id);

-- returns and refunds to a pot (late ends, expiry): the cap comes down as far as it can
PREPARE take_back_pot (TEXT, BIGINT) AS
    UPDATE pots SET taken_nusd = taken_nusd - $2,
        cap_nusd = LEAST(cap_nusd, GREATEST(limit_nusd, taken_nusd - $2)) WHERE id = $1;
PREPARE take_back_wallet (TEXT, BIGINT) AS UPDATE accounts SET held_nusd = held_nusd - $2 WHERE id = $1;

-- join, after lock_node (insert the row first if there is none). $1 node, $2 process, $3 attempt, $4 now
PREPARE begin_epoch (TEXT, BIGINT, BIGINT, BIGINT) AS
    UPDATE nodes SET epoch = epoch + 1, batch = 0, attempt = $3,
        first_epoch = CASE WHEN process = $2 THEN first_epoch ELSE epoch + 1 END,
        process = $2, started_at_us = $4, expires_at_us = $4 + 10000000
    WHERE id = $1 RETURNING epoch;

-- beat
PREPARE renew (TEXT, BIGINT, BIGINT, BIGINT) AS
    UPDATE nodes SET expires_at_us = $3 + 10000000, heard = $4
    WHERE id = $1 AND epoch = $2 AND expires_at_us IS NOT NULL RETURNING 1;
PREPARE living AS SELECT COUNT(*) FROM nodes WHERE expires_at_us IS NOT NULL;
PREPARE recalled (TEXT) AS
    SELECT l.pot_id FROM leases l LEFT JOIN pots p ON p.id = l.pot_id
    WHERE l.node_id = $1 AND (l.recalled = 1 OR (p.cap_nusd > p.limit_nusd AND l.free_nusd > 0))
    ORDER BY 1;

-- expire: whoever beats looks after the others. $1 now
PREPARE clamp (BIGINT) AS
    UPDATE nodes SET expires_at_us = $1 + 10000000 WHERE expires_at_us > $1 + 10000000;
PREPARE silent (BIGINT) AS
    SELECT id, epoch FROM nodes WHERE expires_at_us <= $1 FOR UPDATE SKIP LOCKED;
-- give up, under lock_node: its pots are locked in order, then
PREPARE pots_of_node (TEXT) AS SELECT pot_id, free_nusd FROM leases WHERE node_id = $1 ORDER BY 1;
PREPARE drop_leases (TEXT) AS DELETE FROM leases WHERE node_id = $1 RETURNING pot_id, free_nusd;
PREPARE end_epoch (TEXT) AS UPDATE nodes SET expires_at_us = NULL WHERE id = $1;

-- resolve: holds nobody will end. $1 now. They go through the ledger's queue as late endings.
PREPARE orphans (BIGINT) AS
    SELECT h.id FROM holds h JOIN nodes n ON n.id = h.node_id
    WHERE h.epoch < n.first_epoch
       OR ((h.epoch <> n.epoch OR n.expires_at_us IS NULL) AND LEAST(h.deadline_at_us, $1 + 900000000) <= $1);

-- limits
PREPARE set_pot_limit (TEXT, BIGINT) AS
    UPDATE pots SET limit_nusd = $2, cap_nusd = GREATEST($2, taken_nusd)
    WHERE budget_id = $1 AND closed_at_us IS NULL
    RETURNING id, cap_nusd > limit_nusd;
PREPARE close_pots (TEXT, BIGINT) AS
    UPDATE pots SET limit_nusd = 0, cap_nusd = taken_nusd, closed_at_us = $2
    WHERE budget_id = $1 AND closed_at_us IS NULL RETURNING id;

-- the commit's new parts, as CTEs of postgres_batch.sql; shown alone with the rows it has there:
-- new_holds (id, amount_nusd), progress (id, more_nusd, legs), ended (id, amount_nusd, legs, epoch),
-- settled (id, cost_nusd); $1 node, $2 epoch; hold_legs and settle_legs are arrays of (id, pot)
CREATE TEMP TABLE new_holds (id TEXT, amount_nusd BIGINT);
CREATE TEMP TABLE progress (id TEXT, more_nusd BIGINT, legs TEXT);
CREATE TEMP TABLE ended (id TEXT, amount_nusd BIGINT, legs TEXT, epoch BIGINT);
CREATE TEMP TABLE settled (id TEXT, cost_nusd BIGINT);
PREPARE commit_leases (TEXT, BIGINT, TEXT[], TEXT[], TEXT[], TEXT[], TEXT[], BIGINT[]) AS
WITH lease_parts AS (
    SELECT leg.pot_id, -new_holds.amount_nusd AS amount, 0 AS returned
    FROM new_holds JOIN UNNEST($3, $4) AS leg (id, pot_id) USING (id)
    UNION ALL
    SELECT leg, -progress.more_nusd, 0
    FROM progress, jsonb_array_elements_text(progress.legs::jsonb) AS leg
    UNION ALL
    SELECT leg, ended.amount_nusd, 0
    FROM ended, jsonb_array_elements_text(ended.legs::jsonb) AS leg
    WHERE ended.epoch = $2
    UNION ALL
    SELECT leg.pot_id, -settled.cost_nusd, 0
    FROM settled JOIN UNNEST($5, $6) AS leg (id, pot_id) USING (id)
    LEFT JOIN ended USING (id)
    WHERE ended.id IS NULL OR ended.epoch = $2
    UNION ALL
    SELECT pot_id, -amount, 1 FROM UNNEST($7, $8) AS back (pot_id, amount)
),
lease_deltas AS (
    SELECT pot_id, CAST(SUM(amount) AS BIGINT) AS delta, MAX(returned) AS returned
    FROM lease_parts GROUP BY pot_id
),
leases_moved AS (
    UPDATE leases SET free_nusd = free_nusd + delta,
        recalled = CASE WHEN returned = 1 THEN 0 ELSE recalled END
    FROM lease_deltas
    WHERE leases.pot_id = lease_deltas.pot_id AND leases.node_id = $1
    RETURNING leases.pot_id
),
-- what comes back to pots: returns, and what is left of holds whose epoch is over
pot_parts AS (
    SELECT pot_id, amount FROM UNNEST($7, $8) AS back (pot_id, amount)
    UNION ALL
    SELECT leg, ended.amount_nusd - COALESCE(settled.cost_nusd, 0)
    FROM ended LEFT JOIN settled USING (id), jsonb_array_elements_text(ended.legs::jsonb) AS leg
    WHERE ended.epoch <> $2
),
pot_deltas AS (
    SELECT pot_id, CAST(SUM(amount) AS BIGINT) AS amount FROM pot_parts GROUP BY pot_id
),
pots_moved AS (
    UPDATE pots SET taken_nusd = taken_nusd - amount,
        cap_nusd = LEAST(cap_nusd, GREATEST(limit_nusd, taken_nusd - amount))
    FROM pot_deltas WHERE pots.id = pot_deltas.pot_id
    RETURNING pots.id
)
-- accounts: deltas gets, in place of its three held lines,
--   UNION ALL SELECT pot_id, 0, 0, -amount FROM pot_deltas WHERE pot_id LIKE 'wallet:%'
--   UNION ALL SELECT debit_account, 0, 0, -amount_nusd FROM moved WHERE debit_account LIKE 'wallet:%'
SELECT (SELECT COUNT(*) FROM lease_deltas) AS touched,
       (SELECT COUNT(*) FROM leases_moved) AS moved;  -- different: refuse
