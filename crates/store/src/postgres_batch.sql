-- Commits one batch. $1 node, $2 epoch, $3 the batch's number, then the columns, from $60 on its row
-- in the chain, and from $68 on what it does to leases.
-- Sums come from the rows really written, so sending it again changes nothing. Nor can it come too
-- late: a hold that has ended since must not rise again, so numbers follow each other, none left out.
-- If some of it is settled already, nothing is written: its hash speaks of all its rows.
-- What is held comes out of this node's leases, and what is left of it goes back there. A hold of an
-- epoch that is over has no lease: what is left of it goes back to its pots.
-- Rows that other nodes write too are locked first, each kind in one order (as `leases::rows::lock`
-- does, whatever the database sorts by): nobody waits in a circle.
WITH fence AS (
    UPDATE nodes SET batch = $3 WHERE id = $1 AND epoch = $2 AND batch = $3::bigint - 1 RETURNING 1 AS held
),
-- Holds of other epochs: what is left of them goes back to wallets and pots that only they name, and
-- others may be ending them, too.
locked_holds AS MATERIALIZED (
    SELECT holds.organization_id, holds.legs FROM fence, holds
    WHERE holds.id = ANY ($19::text[]) AND (holds.node_id <> $1 OR holds.epoch <> $2)
    ORDER BY holds.id COLLATE "C" FOR UPDATE OF holds
),
locked_accounts AS MATERIALIZED (
    SELECT accounts.id, accounts.debits_nusd, accounts.credits_nusd FROM fence, accounts
    WHERE accounts.id = ANY ($68::text[] || ARRAY (SELECT 'wallet:' || organization_id FROM locked_holds))
    ORDER BY accounts.id COLLATE "C" FOR NO KEY UPDATE OF accounts
),
locked_pots AS MATERIALIZED (
    SELECT pots.id FROM pots
    WHERE pots.id = ANY ($69::text[]
            || ARRAY (SELECT jsonb_array_elements_text(legs::jsonb) FROM locked_holds))
        AND (SELECT COUNT(*) FROM locked_accounts) >= 0
    ORDER BY pots.id COLLATE "C" FOR NO KEY UPDATE
),
gate AS MATERIALIZED (
    SELECT held FROM fence
    WHERE (SELECT COUNT(*) FROM locked_accounts) + (SELECT COUNT(*) FROM locked_pots) >= 0
),
new_holds AS (
    INSERT INTO holds (
        id, organization_id, project_id, key_id, model,
        endpoint, node_id, epoch, amount_nusd, price_id, markup_bp, admitted_at_us, seen_input_tokens,
        seen_output_tokens, legs
    )
    SELECT
        id, organization_id, project_id, key_id, model,
        endpoint, $1, $2, amount_nusd, price_id, markup_bp, admitted_at_us, seen_input_tokens,
        seen_output_tokens, legs
    FROM gate, UNNEST($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                        $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $70::text[]) AS new (
        id, organization_id, project_id, key_id, model,
        endpoint, amount_nusd, price_id, markup_bp, admitted_at_us, seen_input_tokens,
        seen_output_tokens, legs
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING organization_id, amount_nusd, legs
),
progress AS (
    UPDATE holds SET
        seen_input_tokens = GREATEST(holds.seen_input_tokens, made.seen_input_tokens),
        seen_output_tokens = GREATEST(holds.seen_output_tokens, made.seen_output_tokens),
        amount_nusd = holds.amount_nusd + made.more_nusd,
        legs = CASE WHEN made.more_legs = '[]' THEN holds.legs
            ELSE CAST(holds.legs::jsonb || made.more_legs::jsonb AS text) END
    FROM gate, UNNEST($16::text[], $17::bigint[], $18::bigint[], $59::bigint[], $71::text[]) AS made (
        id, seen_input_tokens, seen_output_tokens, more_nusd, more_legs
    )
    WHERE holds.id = made.id
    RETURNING holds.organization_id, made.more_nusd, holds.legs
),
ended AS (
    DELETE FROM holds USING gate, UNNEST($19::text[], $72::text[]) AS gone (id, more_legs)
    WHERE holds.id = gone.id
    RETURNING holds.id, holds.organization_id, holds.amount_nusd,
        holds.node_id = $1 AND holds.epoch = $2 AS is_own,
        CASE WHEN gone.more_legs = '[]' THEN holds.legs
            ELSE CAST(holds.legs::jsonb || gone.more_legs::jsonb AS text) END AS legs
),
settled AS (
    INSERT INTO usage_records (
        organization_id, id, project_id, key_id,
        model, upstream_id, endpoint, admitted_at_us,
        ended_at_us, fresh_input_tokens, cached_input_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
        image_tokens, held_nusd, cost_nusd, input_cost_nusd,
        cached_input_cost_nusd, output_cost_nusd, request_cost_nusd, overrun_nusd,
        upstream_cost_nusd, price_id, markup_bp, flags,
        streamed, first_output_us, finish_reason, chain, batch
    )
    SELECT
        organization_id, id, project_id, key_id,
        model, upstream_id, endpoint, admitted_at_us,
        ended_at_us, fresh_input_tokens, cached_input_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
        image_tokens, held_nusd, cost_nusd, input_cost_nusd,
        cached_input_cost_nusd, output_cost_nusd, request_cost_nusd, overrun_nusd,
        upstream_cost_nusd, price_id, markup_bp, flags,
        streamed, NULLIF(first_output_us, -1), finish_reason, $60::text, $61::bigint
    FROM gate, UNNEST($20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[],
                        $26::text[], $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[], $31::bigint[],
                        $32::bigint[], $33::bigint[], $34::bigint[], $35::bigint[], $36::bigint[], $37::bigint[],
                        $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[], $43::bigint[],
                        $44::bigint[], $45::text[], $46::bigint[], $47::bigint[], $48::bigint[], $49::bigint[],
                        $50::text[]) AS new (
        organization_id, id, project_id, key_id,
        model, upstream_id, endpoint, admitted_at_us,
        ended_at_us, fresh_input_tokens, cached_input_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
        image_tokens, held_nusd, cost_nusd, input_cost_nusd,
        cached_input_cost_nusd, output_cost_nusd, request_cost_nusd, overrun_nusd,
        upstream_cost_nusd, price_id, markup_bp, flags,
        streamed, first_output_us, finish_reason
    )
    ON CONFLICT (organization_id, id) DO NOTHING
    RETURNING *
),
moved AS (
    INSERT INTO transfers (
        organization_id, id, debit_account, credit_account, amount_nusd,
        code, request_id, at_us, reason, actor, chain, batch,
        wallet_debits_nusd, wallet_credits_nusd
    )
    SELECT
        organization_id, new.id, debit_account, credit_account, amount_nusd,
        code, request_id, at_us, '', '', $60::text, $61::bigint,
        wallets.debits_nusd + CAST(SUM(amount_nusd) OVER (PARTITION BY debit_account ORDER BY place) AS BIGINT),
        wallets.credits_nusd
    FROM gate, UNNEST($51::text[], $52::text[], $53::text[], $54::text[], $55::bigint[], $56::text[],
                        $57::text[], $58::bigint[]) WITH ORDINALITY AS new (
        organization_id, id, debit_account, credit_account, amount_nusd,
        code, request_id, at_us, place
    )
    LEFT JOIN locked_accounts AS wallets
        ON wallets.id = new.debit_account AND new.debit_account LIKE 'wallet:%'
    ON CONFLICT (organization_id, id) DO NOTHING
    RETURNING debit_account, credit_account, amount_nusd
),
chained AS (
    INSERT INTO batches (
        chain, seq, usage_records, transfers, amount_nusd, at_us, previous_hash, hash
    )
    SELECT $60::text, $61::bigint, $62::bigint, $63::bigint, $64::bigint, $65::bigint, $66::text,
        $67::text
    FROM gate WHERE $62::bigint > 0
),
-- What each end was held with and cost, in which pots beside the wallet, and whether its lease lives.
ends AS (
    SELECT ended.organization_id, ended.amount_nusd, COALESCE(settled.cost_nusd, 0) AS cost_nusd,
        ended.legs::jsonb AS legs, ended.is_own
    FROM ended LEFT JOIN settled USING (organization_id, id)
    UNION ALL
    SELECT settled.organization_id, 0, settled.cost_nusd, quick.legs::jsonb, TRUE
    FROM settled JOIN UNNEST($21::text[], $73::text[]) AS quick (id, legs) USING (id)
    LEFT JOIN ended USING (organization_id, id)
    WHERE ended.id IS NULL
),
-- A pot that this statement does not see yet was counted with its leases when it was opened: what is
-- returned to it stays leased.
returned AS (
    SELECT pot_id, amount FROM gate, UNNEST($74::text[], $75::bigint[]) AS back (pot_id, amount)
    WHERE pot_id LIKE 'wallet:%' OR pot_id IN (SELECT id FROM pots WHERE id = ANY ($74::text[]))
),
lease_parts AS (
    SELECT 'wallet:' || organization_id AS pot_id, -amount_nusd AS amount, 0 AS returned FROM new_holds
    UNION ALL
    SELECT leg, -amount_nusd, 0 FROM new_holds, jsonb_array_elements_text(legs::jsonb) AS leg
    UNION ALL
    SELECT 'wallet:' || organization_id, -more_nusd, 0 FROM progress
    UNION ALL
    SELECT leg, -more_nusd, 0 FROM progress, jsonb_array_elements_text(legs::jsonb) AS leg
    UNION ALL
    SELECT 'wallet:' || organization_id, amount_nusd - cost_nusd, 0 FROM ends WHERE is_own
    UNION ALL
    SELECT leg, amount_nusd - cost_nusd, 0 FROM ends, jsonb_array_elements_text(legs) AS leg WHERE is_own
    UNION ALL
    SELECT pot_id, -amount, 1 FROM returned
    UNION ALL
    SELECT pot_id, amount, 0 FROM gate, UNNEST($76::text[], $77::bigint[]) AS adopted (pot_id, amount)
),
lease_deltas AS (
    SELECT pot_id, CAST(SUM(amount) AS BIGINT) AS delta, MAX(returned) AS returned
    FROM lease_parts GROUP BY pot_id HAVING SUM(amount) <> 0 OR MAX(returned) = 1
),
leases_moved AS (
    UPDATE leases SET free_nusd = free_nusd + lease_deltas.delta,
        recalled = CASE WHEN lease_deltas.returned = 1 THEN 0 ELSE recalled END
    FROM lease_deltas
    WHERE leases.pot_id = lease_deltas.pot_id AND leases.node_id = $1
    RETURNING leases.pot_id
),
pot_parts AS (
    SELECT pot_id, amount FROM returned
    UNION ALL
    SELECT 'wallet:' || organization_id, amount_nusd - cost_nusd FROM ends WHERE NOT is_own
    UNION ALL
    SELECT leg, amount_nusd - cost_nusd FROM ends, jsonb_array_elements_text(legs) AS leg
    WHERE NOT is_own
),
pot_deltas AS (
    SELECT pot_id, CAST(SUM(amount) AS BIGINT) AS amount FROM pot_parts GROUP BY pot_id
),
pots_moved AS (
    UPDATE pots SET taken_nusd = taken_nusd - pot_deltas.amount,
        cap_nusd = LEAST(cap_nusd, GREATEST(limit_nusd, taken_nusd - pot_deltas.amount))
    FROM pot_deltas WHERE pots.id = pot_deltas.pot_id
),
deltas AS (
    SELECT account_id, CAST(SUM(debit) AS BIGINT) AS debit,
        CAST(SUM(credit) AS BIGINT) AS credit, CAST(SUM(held) AS BIGINT) AS held
    FROM (
        SELECT debit_account AS account_id, amount_nusd AS debit, 0 AS credit,
            CASE WHEN debit_account LIKE 'wallet:%' THEN -amount_nusd ELSE 0 END AS held
        FROM moved
        UNION ALL SELECT credit_account, 0, amount_nusd, 0 FROM moved
        UNION ALL SELECT pot_id, 0, 0, -amount FROM pot_deltas WHERE pot_id LIKE 'wallet:%'
    ) AS parts
    GROUP BY account_id
),
accounts_moved AS (
    UPDATE accounts SET
        debits_nusd = debits_nusd + deltas.debit,
        credits_nusd = credits_nusd + deltas.credit,
        held_nusd = held_nusd + deltas.held,
        has_moved = CASE WHEN deltas.debit + deltas.credit > 0 THEN 1 ELSE has_moved END
    FROM deltas WHERE accounts.id = deltas.account_id
    RETURNING accounts.id, credits_nusd - debits_nusd AS balance_nusd
),
-- Here go the keys of requests, where the batch has any.
hours AS (
    INSERT INTO usage_hours (
        organization_id, hour_at_us, project_id, key_id, model, endpoint, requests,
        fresh_input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens, audio_input_tokens, audio_output_tokens, image_tokens,
        cost_nusd, input_cost_nusd, cached_input_cost_nusd,
        output_cost_nusd, request_cost_nusd, upstream_cost_nusd
    )
    SELECT organization_id, admitted_at_us / 3600000000 * 3600000000, project_id, key_id, model, endpoint,
        COUNT(*),
        CAST(SUM(fresh_input_tokens) AS BIGINT),
        CAST(SUM(cached_input_tokens) AS BIGINT),
        CAST(SUM(cache_write_tokens) AS BIGINT),
        CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(reasoning_tokens) AS BIGINT),
        CAST(SUM(audio_input_tokens) AS BIGINT),
        CAST(SUM(audio_output_tokens) AS BIGINT),
        CAST(SUM(image_tokens) AS BIGINT),
        CAST(SUM(cost_nusd) AS BIGINT),
        CAST(SUM(input_cost_nusd) AS BIGINT),
        CAST(SUM(cached_input_cost_nusd) AS BIGINT),
        CAST(SUM(output_cost_nusd) AS BIGINT),
        CAST(SUM(request_cost_nusd) AS BIGINT),
        CAST(SUM(upstream_cost_nusd) AS BIGINT)
    FROM settled
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (organization_id, hour_at_us, project_id, key_id, model, endpoint) DO UPDATE SET
        requests = usage_hours.requests + EXCLUDED.requests,
        fresh_input_tokens = usage_hours.fresh_input_tokens + EXCLUDED.fresh_input_tokens,
        cached_input_tokens = usage_hours.cached_input_tokens + EXCLUDED.cached_input_tokens,
        cache_write_tokens = usage_hours.cache_write_tokens + EXCLUDED.cache_write_tokens,
        output_tokens = usage_hours.output_tokens + EXCLUDED.output_tokens,
        reasoning_tokens = usage_hours.reasoning_tokens + EXCLUDED.reasoning_tokens,
        audio_input_tokens = usage_hours.audio_input_tokens + EXCLUDED.audio_input_tokens,
        audio_output_tokens = usage_hours.audio_output_tokens + EXCLUDED.audio_output_tokens,
        image_tokens = usage_hours.image_tokens + EXCLUDED.image_tokens,
        cost_nusd = usage_hours.cost_nusd + EXCLUDED.cost_nusd,
        input_cost_nusd = usage_hours.input_cost_nusd + EXCLUDED.input_cost_nusd,
        cached_input_cost_nusd = usage_hours.cached_input_cost_nusd + EXCLUDED.cached_input_cost_nusd,
        output_cost_nusd = usage_hours.output_cost_nusd + EXCLUDED.output_cost_nusd,
        request_cost_nusd = usage_hours.request_cost_nusd + EXCLUDED.request_cost_nusd,
        upstream_cost_nusd = usage_hours.upstream_cost_nusd + EXCLUDED.upstream_cost_nusd
),
days AS (
    INSERT INTO usage_days (
        organization_id, day_at_us, project_id, model, endpoint, requests,
        fresh_input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens, audio_input_tokens, audio_output_tokens, image_tokens,
        cost_nusd, input_cost_nusd, cached_input_cost_nusd,
        output_cost_nusd, request_cost_nusd, upstream_cost_nusd
    )
    SELECT organization_id, admitted_at_us / 86400000000 * 86400000000, project_id, model, endpoint,
        COUNT(*),
        CAST(SUM(fresh_input_tokens) AS BIGINT),
        CAST(SUM(cached_input_tokens) AS BIGINT),
        CAST(SUM(cache_write_tokens) AS BIGINT),
        CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(reasoning_tokens) AS BIGINT),
        CAST(SUM(audio_input_tokens) AS BIGINT),
        CAST(SUM(audio_output_tokens) AS BIGINT),
        CAST(SUM(image_tokens) AS BIGINT),
        CAST(SUM(cost_nusd) AS BIGINT),
        CAST(SUM(input_cost_nusd) AS BIGINT),
        CAST(SUM(cached_input_cost_nusd) AS BIGINT),
        CAST(SUM(output_cost_nusd) AS BIGINT),
        CAST(SUM(request_cost_nusd) AS BIGINT),
        CAST(SUM(upstream_cost_nusd) AS BIGINT)
    FROM settled
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (organization_id, day_at_us, project_id, model, endpoint) DO UPDATE SET
        requests = usage_days.requests + EXCLUDED.requests,
        fresh_input_tokens = usage_days.fresh_input_tokens + EXCLUDED.fresh_input_tokens,
        cached_input_tokens = usage_days.cached_input_tokens + EXCLUDED.cached_input_tokens,
        cache_write_tokens = usage_days.cache_write_tokens + EXCLUDED.cache_write_tokens,
        output_tokens = usage_days.output_tokens + EXCLUDED.output_tokens,
        reasoning_tokens = usage_days.reasoning_tokens + EXCLUDED.reasoning_tokens,
        audio_input_tokens = usage_days.audio_input_tokens + EXCLUDED.audio_input_tokens,
        audio_output_tokens = usage_days.audio_output_tokens + EXCLUDED.audio_output_tokens,
        image_tokens = usage_days.image_tokens + EXCLUDED.image_tokens,
        cost_nusd = usage_days.cost_nusd + EXCLUDED.cost_nusd,
        input_cost_nusd = usage_days.input_cost_nusd + EXCLUDED.input_cost_nusd,
        cached_input_cost_nusd = usage_days.cached_input_cost_nusd + EXCLUDED.cached_input_cost_nusd,
        output_cost_nusd = usage_days.output_cost_nusd + EXCLUDED.output_cost_nusd,
        request_cost_nusd = usage_days.request_cost_nusd + EXCLUDED.request_cost_nusd,
        upstream_cost_nusd = usage_days.upstream_cost_nusd + EXCLUDED.upstream_cost_nusd
),
user_days AS (
    INSERT INTO usage_user_days (
        organization_id, day_at_us, user_id, project_id, model, endpoint, requests,
        fresh_input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens, audio_input_tokens, audio_output_tokens, image_tokens,
        cost_nusd, input_cost_nusd, cached_input_cost_nusd,
        output_cost_nusd, request_cost_nusd, upstream_cost_nusd
    )
    SELECT organization_id, admitted_at_us / 86400000000 * 86400000000, user_id, project_id, model, endpoint,
        COUNT(*),
        CAST(SUM(fresh_input_tokens) AS BIGINT),
        CAST(SUM(cached_input_tokens) AS BIGINT),
        CAST(SUM(cache_write_tokens) AS BIGINT),
        CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(reasoning_tokens) AS BIGINT),
        CAST(SUM(audio_input_tokens) AS BIGINT),
        CAST(SUM(audio_output_tokens) AS BIGINT),
        CAST(SUM(image_tokens) AS BIGINT),
        CAST(SUM(cost_nusd) AS BIGINT),
        CAST(SUM(input_cost_nusd) AS BIGINT),
        CAST(SUM(cached_input_cost_nusd) AS BIGINT),
        CAST(SUM(output_cost_nusd) AS BIGINT),
        CAST(SUM(request_cost_nusd) AS BIGINT),
        CAST(SUM(upstream_cost_nusd) AS BIGINT)
    FROM (
        SELECT *, COALESCE((SELECT user_id FROM keys WHERE keys.id = settled.key_id), '') AS user_id
        FROM settled
    ) AS owned
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (organization_id, day_at_us, user_id, project_id, model, endpoint) DO UPDATE SET
        requests = usage_user_days.requests + EXCLUDED.requests,
        fresh_input_tokens = usage_user_days.fresh_input_tokens + EXCLUDED.fresh_input_tokens,
        cached_input_tokens = usage_user_days.cached_input_tokens + EXCLUDED.cached_input_tokens,
        cache_write_tokens = usage_user_days.cache_write_tokens + EXCLUDED.cache_write_tokens,
        output_tokens = usage_user_days.output_tokens + EXCLUDED.output_tokens,
        reasoning_tokens = usage_user_days.reasoning_tokens + EXCLUDED.reasoning_tokens,
        audio_input_tokens = usage_user_days.audio_input_tokens + EXCLUDED.audio_input_tokens,
        audio_output_tokens = usage_user_days.audio_output_tokens + EXCLUDED.audio_output_tokens,
        image_tokens = usage_user_days.image_tokens + EXCLUDED.image_tokens,
        cost_nusd = usage_user_days.cost_nusd + EXCLUDED.cost_nusd,
        input_cost_nusd = usage_user_days.input_cost_nusd + EXCLUDED.input_cost_nusd,
        cached_input_cost_nusd = usage_user_days.cached_input_cost_nusd + EXCLUDED.cached_input_cost_nusd,
        output_cost_nusd = usage_user_days.output_cost_nusd + EXCLUDED.output_cost_nusd,
        request_cost_nusd = usage_user_days.request_cost_nusd + EXCLUDED.request_cost_nusd,
        upstream_cost_nusd = usage_user_days.upstream_cost_nusd + EXCLUDED.upstream_cost_nusd
),
upstreams AS (
    INSERT INTO upstream_days (
        chain, day_at_us, upstream_id, model, requests,
        fresh_input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens, audio_input_tokens, audio_output_tokens, image_tokens,
        cost_nusd, input_cost_nusd, cached_input_cost_nusd,
        output_cost_nusd, request_cost_nusd, upstream_cost_nusd
    )
    SELECT chain, admitted_at_us / 86400000000 * 86400000000, upstream_id, model,
        COUNT(*),
        CAST(SUM(fresh_input_tokens) AS BIGINT),
        CAST(SUM(cached_input_tokens) AS BIGINT),
        CAST(SUM(cache_write_tokens) AS BIGINT),
        CAST(SUM(output_tokens) AS BIGINT),
        CAST(SUM(reasoning_tokens) AS BIGINT),
        CAST(SUM(audio_input_tokens) AS BIGINT),
        CAST(SUM(audio_output_tokens) AS BIGINT),
        CAST(SUM(image_tokens) AS BIGINT),
        CAST(SUM(cost_nusd) AS BIGINT),
        CAST(SUM(input_cost_nusd) AS BIGINT),
        CAST(SUM(cached_input_cost_nusd) AS BIGINT),
        CAST(SUM(output_cost_nusd) AS BIGINT),
        CAST(SUM(request_cost_nusd) AS BIGINT),
        CAST(SUM(upstream_cost_nusd) AS BIGINT)
    FROM settled
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (chain, day_at_us, upstream_id, model) DO UPDATE SET
        requests = upstream_days.requests + EXCLUDED.requests,
        fresh_input_tokens = upstream_days.fresh_input_tokens + EXCLUDED.fresh_input_tokens,
        cached_input_tokens = upstream_days.cached_input_tokens + EXCLUDED.cached_input_tokens,
        cache_write_tokens = upstream_days.cache_write_tokens + EXCLUDED.cache_write_tokens,
        output_tokens = upstream_days.output_tokens + EXCLUDED.output_tokens,
        reasoning_tokens = upstream_days.reasoning_tokens + EXCLUDED.reasoning_tokens,
        audio_input_tokens = upstream_days.audio_input_tokens + EXCLUDED.audio_input_tokens,
        audio_output_tokens = upstream_days.audio_output_tokens + EXCLUDED.audio_output_tokens,
        image_tokens = upstream_days.image_tokens + EXCLUDED.image_tokens,
        cost_nusd = upstream_days.cost_nusd + EXCLUDED.cost_nusd,
        input_cost_nusd = upstream_days.input_cost_nusd + EXCLUDED.input_cost_nusd,
        cached_input_cost_nusd = upstream_days.cached_input_cost_nusd + EXCLUDED.cached_input_cost_nusd,
        output_cost_nusd = upstream_days.output_cost_nusd + EXCLUDED.output_cost_nusd,
        request_cost_nusd = upstream_days.request_cost_nusd + EXCLUDED.request_cost_nusd,
        upstream_cost_nusd = upstream_days.upstream_cost_nusd + EXCLUDED.upstream_cost_nusd
)
SELECT (SELECT COUNT(*) FROM fence),
    CASE
        WHEN (SELECT COUNT(*) FROM fence) = 0 THEN 0
        WHEN (SELECT COUNT(*) FROM settled) <> $62 OR (SELECT COUNT(*) FROM moved) <> $63
            THEN refuse('FB001', 'some of the batch was settled before')
        WHEN (SELECT COUNT(*) FROM deltas) <> (SELECT COUNT(*) FROM accounts_moved)
            THEN refuse('P0001', 'money was to move on an account that does not exist')
        WHEN (SELECT COUNT(*) FROM lease_deltas) <> (SELECT COUNT(*) FROM leases_moved)
            THEN refuse('P0001', 'money was held that was never leased')
    END,
    (SELECT ARRAY_AGG(id ORDER BY id) FROM accounts_moved WHERE id LIKE 'wallet:%'),
    (SELECT ARRAY_AGG(balance_nusd ORDER BY id) FROM accounts_moved WHERE id LIKE 'wallet:%')
