-- Commits one batch. $1 node, $2 epoch, $3 the batch's number, then the columns, and from $55 on
-- its row in the chain.
-- Sums come from the rows really written, so sending it again changes nothing. Nor can it come too
-- late: a hold that has ended since must not rise again, so numbers follow each other, none left out.
-- If some of it is settled already, nothing is written: its hash speaks of all its rows.
WITH fence AS (
    UPDATE nodes SET batch = $3 WHERE id = $1 AND epoch = $2 AND batch = $3::bigint - 1 RETURNING 1 AS held
),
new_holds AS (
    INSERT INTO holds (
        id, organization_id, project_id, key_id, model,
        endpoint, node_id, epoch, amount_nusd, price_id, admitted_at_us, seen_input_tokens,
        seen_output_tokens
    )
    SELECT
        id, organization_id, project_id, key_id, model,
        endpoint, $1, $2, amount_nusd, price_id, admitted_at_us, seen_input_tokens,
        seen_output_tokens
    FROM fence, UNNEST($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                        $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[]) AS new (
        id, organization_id, project_id, key_id, model,
        endpoint, amount_nusd, price_id, admitted_at_us, seen_input_tokens,
        seen_output_tokens
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING organization_id, amount_nusd
),
progress AS (
    UPDATE holds SET
        seen_input_tokens = GREATEST(holds.seen_input_tokens, made.seen_input_tokens),
        seen_output_tokens = GREATEST(holds.seen_output_tokens, made.seen_output_tokens),
        amount_nusd = holds.amount_nusd + made.more_nusd
    FROM fence, UNNEST($15::text[], $16::bigint[], $17::bigint[], $54::bigint[]) AS made (
        id, seen_input_tokens, seen_output_tokens, more_nusd
    )
    WHERE holds.id = made.id
    RETURNING holds.organization_id, made.more_nusd
),
ended AS (
    DELETE FROM holds USING fence, UNNEST($18::text[]) AS gone (id)
    WHERE holds.id = gone.id
    RETURNING holds.organization_id, holds.amount_nusd
),
settled AS (
    INSERT INTO usage_records (
        organization_id, id, project_id, key_id,
        model, upstream_id, endpoint, admitted_at_us,
        ended_at_us, fresh_input_tokens, cached_input_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
        image_tokens, held_nusd, cost_nusd, input_cost_nusd,
        cached_input_cost_nusd, output_cost_nusd, request_cost_nusd, overrun_nusd,
        upstream_cost_nusd, price_id, flags, chain, batch
    )
    SELECT
        organization_id, id, project_id, key_id,
        model, upstream_id, endpoint, admitted_at_us,
        ended_at_us, fresh_input_tokens, cached_input_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
        image_tokens, held_nusd, cost_nusd, input_cost_nusd,
        cached_input_cost_nusd, output_cost_nusd, request_cost_nusd, overrun_nusd,
        upstream_cost_nusd, price_id, flags, $55::text, $56::bigint
    FROM fence, UNNEST($19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[],
                        $25::text[], $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[],
                        $31::bigint[], $32::bigint[], $33::bigint[], $34::bigint[], $35::bigint[], $36::bigint[],
                        $37::bigint[], $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[],
                        $43::bigint[], $44::text[], $45::bigint[]) AS new (
        organization_id, id, project_id, key_id,
        model, upstream_id, endpoint, admitted_at_us,
        ended_at_us, fresh_input_tokens, cached_input_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
        image_tokens, held_nusd, cost_nusd, input_cost_nusd,
        cached_input_cost_nusd, output_cost_nusd, request_cost_nusd, overrun_nusd,
        upstream_cost_nusd, price_id, flags
    )
    ON CONFLICT (organization_id, id) DO NOTHING
    RETURNING *
),
moved AS (
    INSERT INTO transfers (
        organization_id, id, debit_account, credit_account, amount_nusd,
        code, request_id, at_us, reason, chain, batch
    )
    SELECT
        organization_id, id, debit_account, credit_account, amount_nusd,
        code, request_id, at_us, '', $55::text, $56::bigint
    FROM fence, UNNEST($46::text[], $47::text[], $48::text[], $49::text[], $50::bigint[], $51::text[],
                        $52::text[], $53::bigint[]) AS new (
        organization_id, id, debit_account, credit_account, amount_nusd,
        code, request_id, at_us
    )
    ON CONFLICT (organization_id, id) DO NOTHING
    RETURNING debit_account, credit_account, amount_nusd
),
chained AS (
    INSERT INTO batches (
        chain, seq, usage_records, transfers, amount_nusd, at_us, previous_hash, hash
    )
    SELECT $55::text, $56::bigint, $57::bigint, $58::bigint, $59::bigint, $60::bigint, $61::text,
        $62::text
    FROM fence WHERE $57::bigint > 0
),
deltas AS (
    SELECT account_id, CAST(SUM(debit) AS BIGINT) AS debit,
        CAST(SUM(credit) AS BIGINT) AS credit, CAST(SUM(held) AS BIGINT) AS held
    FROM (
        SELECT debit_account AS account_id, amount_nusd AS debit, 0 AS credit, 0 AS held FROM moved
        UNION ALL SELECT credit_account, 0, amount_nusd, 0 FROM moved
        UNION ALL SELECT 'wallet:' || organization_id, 0, 0, amount_nusd FROM new_holds
        UNION ALL SELECT 'wallet:' || organization_id, 0, 0, more_nusd FROM progress
        UNION ALL SELECT 'wallet:' || organization_id, 0, 0, -amount_nusd FROM ended
    ) AS parts
    GROUP BY account_id
),
accounts_moved AS (
    UPDATE accounts SET
        debits_nusd = debits_nusd + deltas.debit,
        credits_nusd = credits_nusd + deltas.credit,
        held_nusd = held_nusd + deltas.held
    FROM deltas WHERE accounts.id = deltas.account_id
    RETURNING accounts.id
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
)
SELECT (SELECT COUNT(*) FROM fence),
    CASE
        WHEN (SELECT COUNT(*) FROM fence) = 0 THEN 0
        WHEN (SELECT COUNT(*) FROM settled) <> $57 OR (SELECT COUNT(*) FROM moved) <> $58
            THEN refuse('FB001', 'some of the batch was settled before')
        WHEN (SELECT COUNT(*) FROM deltas) <> (SELECT COUNT(*) FROM accounts_moved)
            THEN refuse('P0001', 'money was to move on an account that does not exist')
    END
