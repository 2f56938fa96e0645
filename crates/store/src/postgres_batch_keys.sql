-- What a batch does to the keys of requests: part of its statement only if there are any, since even
-- planning it takes time.
answered AS (
    UPDATE idempotent_requests SET content_type = kept.content_type, answer = kept.answer
    FROM gate, UNNEST($78::text[], $79::text[], $80::text[], $81::text[], $82::text[], $83::bytea[])
        AS kept (organization_id, project_id, key_digest, request_id, content_type, answer)
    WHERE idempotent_requests.organization_id = kept.organization_id
        AND idempotent_requests.project_id = kept.project_id
        AND idempotent_requests.key_digest = kept.key_digest
        AND idempotent_requests.request_id = kept.request_id
),
unclaimed AS (
    DELETE FROM idempotent_requests
    USING gate, UNNEST($84::text[], $85::text[], $86::text[], $87::text[])
        AS free (organization_id, project_id, key_digest, request_id)
    WHERE idempotent_requests.organization_id = free.organization_id
        AND idempotent_requests.project_id = free.project_id
        AND idempotent_requests.key_digest = free.key_digest
        AND idempotent_requests.request_id = free.request_id
),
