-- Columns are whole numbers or text: money in nano-USD (_nusd), instants in microseconds since the
-- epoch, UTC (_at_us), ids as they appear on the wire, digests in hexadecimal, lists as JSON text
-- that no query looks into. A thing that ended says when (a null instant), never "true". What a
-- client was sent is bytes.

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('changes', 0);

-- A place for a serving process. Its epoch grows at every start; a write that carries an old one is
-- refused. Its batches are numbered where one could be delayed and arrive after its successors
-- (PostgreSQL). There it has leases until it expires, or none if it has no such instant, and has
-- heard the change log that far.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    batch BIGINT NOT NULL,
    started_at_us BIGINT NOT NULL,
    heard BIGINT NOT NULL DEFAULT 0,
    expires_at_us BIGINT
);

-- What other processes must hear of: appended with the change itself, read by every server.
CREATE TABLE change_log (
    seq BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    at_us BIGINT NOT NULL
);
CREATE INDEX change_log_by_ref ON change_log (ref, kind, seq);

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    suspended_at_us BIGINT,
    suspension_reason TEXT,
    CHECK ((suspended_at_us IS NULL) = (suspension_reason IS NULL))
);
CREATE INDEX organizations_by_age ON organizations (created_at_us, id);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT,
    phone TEXT,
    operator_since_us BIGINT,
    locked_at_us BIGINT,
    created_at_us BIGINT NOT NULL
);
CREATE INDEX users_by_age ON users (created_at_us, id);
CREATE INDEX users_operators ON users (operator_since_us) WHERE operator_since_us IS NOT NULL;
CREATE INDEX users_locked ON users (locked_at_us) WHERE locked_at_us IS NOT NULL;

CREATE TABLE members (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'reader')),
    added_at_us BIGINT NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    default_since_us BIGINT,
    created_at_us BIGINT NOT NULL,
    archived_at_us BIGINT
);
CREATE INDEX projects_by_organization ON projects (organization_id, created_at_us, id);

-- Which members of an organization belong to which of its projects, with what role.
CREATE TABLE project_members (
    project_id TEXT NOT NULL REFERENCES projects (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'member', 'viewer')),
    added_at_us BIGINT NOT NULL,
    PRIMARY KEY (project_id, user_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES members (organization_id, user_id)
        ON DELETE CASCADE
);
CREATE INDEX project_members_by_user ON project_members (user_id, organization_id);

CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);
CREATE INDEX groups_by_organization ON groups (organization_id, created_at_us, id);

CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    added_at_us BIGINT NOT NULL,
    PRIMARY KEY (group_id, user_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES members (organization_id, user_id)
        ON DELETE CASCADE
);
CREATE INDEX group_members_by_user ON group_members (user_id, organization_id);

-- Roles that somebody made, for the organization or (project_id) one project. Those that always exist
-- are not here.
CREATE TABLE roles (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id TEXT REFERENCES projects (id),
    name TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL,
    created_by TEXT REFERENCES users (id),
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL
);
CREATE UNIQUE INDEX roles_by_name ON roles (organization_id, COALESCE(project_id, ''), name);

-- Roles that members and groups have besides those of membership: the id of one in roles, or the
-- name of one that always exists. They go with the member of the organization or project.
CREATE TABLE role_assignments (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id TEXT REFERENCES projects (id),
    user_id TEXT REFERENCES users (id),
    group_id TEXT REFERENCES groups (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    assigned_at_us BIGINT NOT NULL,
    CHECK ((user_id IS NULL) <> (group_id IS NULL)),
    FOREIGN KEY (organization_id, user_id) REFERENCES members (organization_id, user_id)
        ON DELETE CASCADE,
    FOREIGN KEY (project_id, user_id) REFERENCES project_members (project_id, user_id)
        ON DELETE CASCADE
);
CREATE UNIQUE INDEX role_assignments_once ON role_assignments
    (organization_id, COALESCE(project_id, ''), COALESCE(user_id, ''), COALESCE(group_id, ''), role);
CREATE INDEX role_assignments_by_user ON role_assignments (user_id, organization_id);
CREATE INDEX role_assignments_by_group ON role_assignments (group_id);

-- People who were asked into an organization. The secret in the mail is kept as its digest; projects
-- are a JSON list of pairs, id and role.
CREATE TABLE invites (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'reader')),
    projects TEXT NOT NULL,
    secret_digest TEXT NOT NULL UNIQUE,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    accepted_at_us BIGINT,
    deleted_at_us BIGINT
);
CREATE INDEX invites_by_organization ON invites (organization_id, created_at_us, id);
CREATE INDEX invites_by_email ON invites (email, organization_id);

-- Which models a project may use: a JSON list of names, and what it means. No row means all.
CREATE TABLE model_permissions (
    project_id TEXT PRIMARY KEY REFERENCES projects (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    mode TEXT NOT NULL CHECK (mode IN ('allow_list', 'deny_list')),
    models TEXT NOT NULL
);

CREATE TABLE service_accounts (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'member', 'none')),
    created_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT
);
CREATE INDEX service_accounts_by_project ON service_accounts (project_id, created_at_us, id);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id TEXT REFERENCES projects (id),
    class TEXT NOT NULL CHECK (class IN ('project', 'service_account', 'admin')),
    user_id TEXT REFERENCES users (id),
    service_account_id TEXT REFERENCES service_accounts (id),
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    redacted_value TEXT NOT NULL,
    scopes TEXT,
    models TEXT,
    ip_ranges TEXT,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT,
    last_used_at_us BIGINT,
    revoked_at_us BIGINT,
    CHECK ((user_id IS NULL) <> (service_account_id IS NULL)),
    CHECK ((class = 'admin') = (project_id IS NULL))
);
CREATE INDEX keys_by_project ON keys (project_id, created_at_us, id);
CREATE INDEX keys_by_organization ON keys (organization_id, class, created_at_us, id);
CREATE INDEX keys_by_user ON keys (user_id, organization_id, last_used_at_us);
CREATE INDEX keys_by_owner ON keys (project_id, user_id, created_at_us, id);

-- Secrets that keys had before their present ones: each works until its end.
CREATE TABLE retired_secrets (
    digest TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys (id),
    redacted_value TEXT NOT NULL,
    retired_at_us BIGINT NOT NULL,
    ends_at_us BIGINT NOT NULL
);
CREATE INDEX retired_secrets_by_key ON retired_secrets (key_id, ends_at_us);

-- Somebody's being signed in, found by the digest of what the cookie carries.
CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id),
    began_at_us BIGINT NOT NULL,
    seen_at_us BIGINT NOT NULL,
    proved_at_us BIGINT NOT NULL,
    method TEXT NOT NULL,
    second_factor TEXT,
    ip_address TEXT,
    user_agent TEXT
);
CREATE INDEX sessions_by_user ON sessions (user_id, began_at_us, id);
CREATE INDEX sessions_by_age ON sessions (seen_at_us);

-- Accounts in the making; the row goes when there is a user. An address may be here many times.
CREATE TABLE signups (
    digest TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    organization TEXT NOT NULL,
    password_hash TEXT,
    invite_id TEXT,
    issuer TEXT,
    subject TEXT,
    join_organization_id TEXT,
    join_role TEXT,
    email_verified_at_us BIGINT,
    begun_at_us BIGINT NOT NULL
);
CREATE INDEX signups_by_age ON signups (begun_at_us);

-- Accounts at a provider that people sign in with, by issuer and subject.
CREATE TABLE identities (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    email TEXT,
    linked_at_us BIGINT NOT NULL,
    used_at_us BIGINT NOT NULL
);
CREATE UNIQUE INDEX identities_by_subject ON identities (issuer, subject);
CREATE INDEX identities_by_user ON identities (user_id, linked_at_us, id);

-- Browsers that were sent to a provider, and are expected back.
CREATE TABLE sso_attempts (
    state_digest TEXT PRIMARY KEY,
    browser_digest TEXT NOT NULL,
    provider TEXT NOT NULL,
    return_to TEXT NOT NULL,
    invite_id TEXT,
    linking_user_id TEXT,
    begun_at_us BIGINT NOT NULL
);
CREATE INDEX sso_attempts_by_age ON sso_attempts (begun_at_us);

-- The latest code that was sent for a purpose: the subject is a sign-up's digest, or a user.
CREATE TABLE codes (
    subject TEXT NOT NULL,
    purpose TEXT NOT NULL,
    target TEXT NOT NULL,
    salt TEXT NOT NULL,
    digest TEXT NOT NULL,
    tries_left BIGINT NOT NULL CHECK (tries_left >= 0),
    sendings BIGINT NOT NULL,
    sent_at_us BIGINT NOT NULL,
    PRIMARY KEY (subject, purpose)
);
CREATE INDEX codes_by_age ON codes (sent_at_us);

-- Links to choose a new password with, by their digests.
CREATE TABLE password_resets (
    digest TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    begun_at_us BIGINT NOT NULL
);
CREATE INDEX password_resets_by_user ON password_resets (user_id);

-- Authenticator apps. The secret is sealed; last_step is the latest half minute whose code was taken.
CREATE TABLE totp (
    user_id TEXT PRIMARY KEY REFERENCES users (id),
    secret BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    added_at_us BIGINT NOT NULL
);

-- Authenticator apps that no code was shown of yet.
CREATE TABLE totp_enrolments (
    user_id TEXT PRIMARY KEY REFERENCES users (id),
    secret BYTEA NOT NULL,
    begun_at_us BIGINT NOT NULL
);
CREATE INDEX totp_enrolments_by_age ON totp_enrolments (begun_at_us);

-- Passkeys: the key as COSE and the id that the authenticator knows, both base64url.
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    credential_id TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL,
    sign_count BIGINT NOT NULL CHECK (sign_count >= 0),
    is_user_verified BIGINT NOT NULL CHECK (is_user_verified IN (0, 1)),
    is_backup_eligible BIGINT NOT NULL CHECK (is_backup_eligible IN (0, 1)),
    is_backed_up BIGINT NOT NULL CHECK (is_backed_up IN (0, 1)),
    transports TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    last_used_at_us BIGINT
);
CREATE INDEX passkeys_by_user ON passkeys (user_id, created_at_us, id);

-- What passkeys are asked to sign, by their digests: for what, and in which session or sign-in.
CREATE TABLE passkey_challenges (
    digest TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    subject TEXT NOT NULL,
    begun_at_us BIGINT NOT NULL
);
CREATE INDEX passkey_challenges_by_subject ON passkey_challenges (subject, purpose);
CREATE INDEX passkey_challenges_by_age ON passkey_challenges (begun_at_us);

-- Codes for when a second factor is lost, by their digests; the row goes when the code is used.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id),
    digest TEXT NOT NULL,
    made_at_us BIGINT NOT NULL,
    PRIMARY KEY (user_id, digest)
);

-- Sign-ins whose first factor (method) was right, and that wait for the second.
CREATE TABLE pending_sign_ins (
    digest TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    method TEXT NOT NULL,
    tries_left BIGINT NOT NULL CHECK (tries_left >= 0),
    begun_at_us BIGINT NOT NULL
);
CREATE INDEX pending_sign_ins_by_user ON pending_sign_ins (user_id);
CREATE INDEX pending_sign_ins_by_age ON pending_sign_ins (begun_at_us);

-- Phone numbers that trial credit was granted for.
CREATE TABLE trial_credits (
    phone TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    granted_at_us BIGINT NOT NULL
);

-- What people pay by card, or save a card by. Its amount is the credit that it buys; the tax comes on
-- top. What the provider calls it is known once the provider was asked. A caller's own key for it is
-- kept as a digest, so that an order is made once.
CREATE TABLE payments (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL CHECK (kind IN ('checkout', 'setup', 'recharge')),
    state TEXT NOT NULL CHECK (state IN ('open', 'processing', 'succeeded', 'failed', 'cancelled', 'expired')),
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd BETWEEN 0 AND 4000000000000000000),
    tax_nusd BIGINT NOT NULL CHECK (tax_nusd BETWEEN 0 AND amount_nusd),
    tax_percent TEXT NOT NULL,
    currency TEXT NOT NULL,
    provider TEXT NOT NULL,
    saves_method BIGINT NOT NULL CHECK (saves_method IN (0, 1)),
    user_id TEXT,
    request_key TEXT,
    customer_ref TEXT,
    checkout_ref TEXT,
    charge_ref TEXT,
    url TEXT,
    method_id TEXT,
    card_brand TEXT,
    card_last4 TEXT,
    failure_code TEXT,
    failure_message TEXT,
    dispute TEXT CHECK (dispute IN ('inquiry', 'open', 'won', 'lost')),
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT,
    looked_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    CHECK ((kind = 'setup') = (amount_nusd = 0)),
    CHECK ((state IN ('open', 'processing')) = (ended_at_us IS NULL))
);
CREATE INDEX payments_by_organization ON payments (organization_id, created_at_us, id);
CREATE INDEX payments_by_age ON payments (created_at_us, id);
CREATE INDEX payments_by_end ON payments (ended_at_us, id) WHERE state = 'succeeded';
CREATE INDEX payments_under_way ON payments (looked_at_us, id) WHERE ended_at_us IS NULL;
CREATE UNIQUE INDEX payments_by_request ON payments (organization_id, request_key)
    WHERE request_key IS NOT NULL;
CREATE UNIQUE INDEX payments_by_checkout ON payments (provider, checkout_ref)
    WHERE checkout_ref IS NOT NULL;
CREATE UNIQUE INDEX payments_by_charge ON payments (provider, charge_ref)
    WHERE charge_ref IS NOT NULL;

-- Whom a provider knows an organization as.
CREATE TABLE payment_customers (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    provider TEXT NOT NULL,
    customer_ref TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    PRIMARY KEY (organization_id, provider)
);

-- Saved cards: what is shown of them. The row stays when a card is removed, as payments name it.
CREATE TABLE payment_methods (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    provider TEXT NOT NULL,
    method_ref TEXT NOT NULL,
    brand TEXT NOT NULL,
    last4 TEXT NOT NULL,
    exp_month BIGINT NOT NULL,
    exp_year BIGINT NOT NULL,
    default_since_us BIGINT,
    created_at_us BIGINT NOT NULL,
    removed_at_us BIGINT,
    UNIQUE (provider, method_ref),
    CHECK (removed_at_us IS NULL OR default_since_us IS NULL)
);
CREATE INDEX payment_methods_by_organization ON payment_methods (organization_id, created_at_us, id);
CREATE UNIQUE INDEX payment_methods_default ON payment_methods (organization_id, provider)
    WHERE default_since_us IS NOT NULL;

-- What providers told, once each.
CREATE TABLE payment_events (
    provider TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (provider, id)
);
CREATE INDEX payment_events_by_age ON payment_events (at_us);

-- Money that a provider took, or says it did, and that matches no order: nothing was credited. It
-- stays until an operator says what became of it.
CREATE TABLE unmatched_payments (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    charge_ref TEXT NOT NULL,
    problem TEXT NOT NULL,
    payment_id TEXT,
    amount_nusd BIGINT NOT NULL,
    currency TEXT NOT NULL,
    seen_at_us BIGINT NOT NULL,
    resolved_at_us BIGINT,
    resolution TEXT,
    UNIQUE (provider, charge_ref, problem),
    CHECK ((resolved_at_us IS NULL) = (resolution IS NULL))
);
CREATE INDEX unmatched_payments_by_age ON unmatched_payments (seen_at_us, id);

-- Refunds as their provider sees them; what they moved is in purchase_refunds. The credit leaves the
-- wallet with the row, before the provider is asked; if the money cannot go back, the credit returns.
-- What was refunded without Farebox, at the provider, is here too.
CREATE TABLE payment_refunds (
    id TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    request_key TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd >= 0),
    tax_nusd BIGINT NOT NULL CHECK (tax_nusd >= 0),
    refund_ref TEXT,
    reason TEXT NOT NULL,
    failure TEXT,
    created_at_us BIGINT NOT NULL,
    looked_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    CHECK ((state = 'pending') = (ended_at_us IS NULL))
);
CREATE INDEX payment_refunds_by_end ON payment_refunds (ended_at_us, id) WHERE state = 'succeeded';
CREATE INDEX payment_refunds_by_name ON payment_refunds (refund_ref) WHERE refund_ref IS NOT NULL;
CREATE INDEX payment_refunds_by_payment ON payment_refunds (payment_id, created_at_us, id);
CREATE INDEX payment_refunds_under_way ON payment_refunds (looked_at_us, id)
    WHERE ended_at_us IS NULL;
CREATE UNIQUE INDEX payment_refunds_by_request ON payment_refunds (payment_id, request_key)
    WHERE request_key IS NOT NULL;
CREATE UNIQUE INDEX payment_refunds_by_ref ON payment_refunds (payment_id, refund_ref)
    WHERE refund_ref IS NOT NULL;

-- Payments that a customer's bank asks back, by the provider's name for it; what that moved is in
-- purchase_disputes.
CREATE TABLE payment_disputes (
    provider TEXT NOT NULL,
    dispute_ref TEXT NOT NULL,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    state TEXT NOT NULL CHECK (state IN ('inquiry', 'open', 'won', 'lost')),
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd > 0),
    reason TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    PRIMARY KEY (provider, dispute_ref)
);
CREATE INDEX payment_disputes_by_payment ON payment_disputes (payment_id);
CREATE INDEX payment_disputes_by_age ON payment_disputes (created_at_us, dispute_ref);

-- What organizations want of auto-recharge, and how it stands. Without a card of its own it charges
-- the default one. Declines are those in a row; after too many Farebox gives up, until its owner
-- wants it again.
CREATE TABLE auto_recharges (
    organization_id TEXT PRIMARY KEY REFERENCES organizations (id),
    threshold_nusd BIGINT NOT NULL CHECK (threshold_nusd > 0),
    restore_to_nusd BIGINT NOT NULL CHECK (restore_to_nusd > threshold_nusd),
    monthly_cap_nusd BIGINT CHECK (monthly_cap_nusd > 0),
    method_id TEXT,
    enabled_at_us BIGINT,
    declines BIGINT NOT NULL CHECK (declines >= 0),
    not_before_us BIGINT,
    gave_up TEXT,
    capped_at_us BIGINT,
    changed_at_us BIGINT NOT NULL
);

-- Recharges: payments that nobody ordered but these settings. One of an organization is under way, on
-- all nodes together. Whoever works on it has claimed it for a while.
CREATE TABLE recharges (
    payment_id TEXT PRIMARY KEY REFERENCES payments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd > 0),
    available_nusd BIGINT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('open', 'needs_authentication', 'succeeded', 'declined', 'abandoned')),
    claimed_until_us BIGINT NOT NULL,
    began_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    CHECK ((state IN ('open', 'needs_authentication')) = (ended_at_us IS NULL))
);
CREATE UNIQUE INDEX recharges_one ON recharges (organization_id) WHERE ended_at_us IS NULL;
CREATE INDEX recharges_by_organization ON recharges (organization_id, began_at_us, payment_id);
CREATE INDEX recharges_under_way ON recharges (claimed_until_us, payment_id)
    WHERE ended_at_us IS NULL;

-- Comparisons of what a provider says that it moved with what is here: one at a time. The server
-- that is at it was seen to be then. Nobody asked for the nightly ones.
CREATE TABLE payment_reconciliations (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'matched', 'different', 'failed', 'given_up')),
    user_id TEXT,
    from_us BIGINT NOT NULL,
    until_us BIGINT NOT NULL,
    movements BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    differences BIGINT NOT NULL,
    failure TEXT,
    begun_at_us BIGINT NOT NULL,
    seen_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    CHECK ((state = 'running') = (ended_at_us IS NULL)),
    CHECK ((state = 'failed') = (failure IS NOT NULL))
);
CREATE UNIQUE INDEX payment_reconciliations_one ON payment_reconciliations (state)
    WHERE state = 'running';
CREATE INDEX payment_reconciliations_by_age ON payment_reconciliations (begun_at_us, id);

-- What a comparison found that is not the same there and here.
CREATE TABLE payment_differences (
    reconciliation_id TEXT NOT NULL REFERENCES payment_reconciliations (id),
    kind TEXT NOT NULL CHECK (kind IN ('charge', 'refund', 'dispute')),
    reference TEXT NOT NULL,
    problem TEXT NOT NULL,
    payment_id TEXT,
    ours_nusd BIGINT,
    theirs_nusd BIGINT,
    currency TEXT,
    PRIMARY KEY (reconciliation_id, kind, reference)
);

-- What the built-in test provider knows: customers, checkouts, cards, charges, refunds, disputes and
-- movements of its balance, each as JSON. Nobody's money. A row is replaced only by whoever read its
-- latest revision.
CREATE TABLE test_payments (
    ref TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    owner_ref TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    at_us BIGINT NOT NULL
);
CREATE INDEX test_payments_by_kind ON test_payments (kind, at_us, ref);
CREATE INDEX test_payments_by_owner ON test_payments (owner_ref, kind, at_us, ref);

-- What strangers tried: when the bucket of that name and subject is empty again.
CREATE TABLE throttles (
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    empty_at_us BIGINT NOT NULL,
    PRIMARY KEY (name, subject)
);
CREATE INDEX throttles_by_age ON throttles (empty_at_us);

-- nano-USD per million units: nine numbers, one for each usage class. A new price is a new row. One
-- that was withdrawn before it came into force never does; its row stays.
CREATE TABLE prices (
    id TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    effective_at_us BIGINT NOT NULL,
    price TEXT NOT NULL,
    cost TEXT NOT NULL,
    source TEXT NOT NULL CHECK (source IN ('configuration', 'operator', 'import')),
    created_at_us BIGINT NOT NULL
);
CREATE INDEX prices_by_model ON prices (model, effective_at_us, id);

CREATE TABLE price_withdrawals (
    price_id TEXT PRIMARY KEY REFERENCES prices (id),
    withdrawn_at_us BIGINT NOT NULL
);

-- Append-only: what organizations pay on top of the price book, in basis points, on one model or on
-- every model without a rule of its own. A new markup is a new row, and an end is one.
CREATE TABLE markups (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    model TEXT,
    markup_bp BIGINT NOT NULL CHECK (markup_bp BETWEEN -9999 AND 100000),
    effective_at_us BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL
);
CREATE INDEX markups_by_organization ON markups (organization_id, effective_at_us, id);

CREATE TABLE markup_ends (
    markup_id TEXT PRIMARY KEY REFERENCES markups (id),
    ended_at_us BIGINT NOT NULL
);

-- Redeem codes, made in batches, each kept as its digest and its beginning; and what they were
-- exchanged for, by an organization each once.
CREATE TABLE redeem_batches (
    id TEXT PRIMARY KEY,
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd > 0),
    max_uses BIGINT NOT NULL CHECK (max_uses > 0),
    once_per_organization BIGINT NOT NULL CHECK (once_per_organization IN (0, 1)),
    expires_at_us BIGINT,
    credit_days BIGINT CHECK (credit_days > 0),
    note TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    disabled_at_us BIGINT
);
CREATE INDEX redeem_batches_by_age ON redeem_batches (created_at_us, id);

CREATE TABLE redeem_codes (
    digest TEXT PRIMARY KEY,
    batch_id TEXT NOT NULL REFERENCES redeem_batches (id),
    hint TEXT NOT NULL
);
CREATE INDEX redeem_codes_by_batch ON redeem_codes (batch_id);

CREATE TABLE redeem_uses (
    digest TEXT NOT NULL REFERENCES redeem_codes (digest),
    organization_id TEXT NOT NULL,
    batch_id TEXT NOT NULL,
    transfer_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    used_at_us BIGINT NOT NULL,
    PRIMARY KEY (digest, organization_id)
);
CREATE INDEX redeem_uses_by_batch ON redeem_uses (batch_id, organization_id);
CREATE INDEX redeem_uses_by_age ON redeem_uses (batch_id, used_at_us);

-- Models of the configuration that the operator switched off.
CREATE TABLE disabled_models (
    model TEXT PRIMARY KEY,
    disabled_at_us BIGINT NOT NULL
);

-- Money has moved on a wallet (has_moved) since its balance was last looked at for alerts: few have.
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    overdraft BIGINT NOT NULL CHECK (overdraft IN (0, 1)),
    debits_nusd BIGINT NOT NULL CHECK (debits_nusd BETWEEN 0 AND 4000000000000000000),
    credits_nusd BIGINT NOT NULL CHECK (credits_nusd BETWEEN 0 AND 4000000000000000000),
    held_nusd BIGINT NOT NULL CHECK (held_nusd BETWEEN 0 AND 4000000000000000000),
    has_moved BIGINT NOT NULL DEFAULT 0 CHECK (has_moved IN (0, 1)),
    CHECK (overdraft = 1 OR debits_nusd + held_nusd <= credits_nusd)
);
CREATE INDEX accounts_moved ON accounts (id) WHERE has_moved = 1 AND overdraft = 0;

-- Append-only. Transfers and usage records are committed in batches, and each batch's hash covers
-- its rows and the hash before it. A node has a chain of its own, and so has everything else.
CREATE TABLE batches (
    chain TEXT NOT NULL,
    seq BIGINT NOT NULL,
    usage_records BIGINT NOT NULL,
    transfers BIGINT NOT NULL,
    amount_nusd BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (chain, seq)
);

-- Append-only. Ids of one organization sort by time. What moves on a wallet says how much was ever
-- taken from it and added to it by then: the sums grow with every transfer, so they order them.
CREATE TABLE transfers (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    debit_account TEXT NOT NULL,
    credit_account TEXT NOT NULL,
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd BETWEEN 1 AND 4000000000000000000),
    code TEXT NOT NULL,
    request_id TEXT,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    chain TEXT NOT NULL,
    batch BIGINT NOT NULL,
    wallet_debits_nusd BIGINT,
    wallet_credits_nusd BIGINT,
    PRIMARY KEY (organization_id, id),
    CHECK (debit_account <> credit_account),
    CHECK ((wallet_debits_nusd IS NULL) = (wallet_credits_nusd IS NULL))
);

-- What is no request's: grants, purchases and their like.
CREATE INDEX transfers_movements ON transfers (organization_id, at_us, id)
    WHERE request_id IS NULL;

CREATE VIEW postings AS
SELECT organization_id, id AS transfer_id, debit_account AS account_id,
       amount_nusd AS debit_nusd, 0 AS credit_nusd, at_us FROM transfers
UNION ALL
SELECT organization_id, id, credit_account, 0, amount_nusd, at_us FROM transfers;

-- What an organization's credit is made of: one lot for each grant and purchase, and one for its credit
-- line. What was spent is taken from them in order, later than it was spent: see credit_watermarks.
CREATE TABLE credit_lots (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('grant', 'purchase', 'overdraft')),
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd BETWEEN 0 AND 4000000000000000000),
    remaining_nusd BIGINT NOT NULL CHECK (remaining_nusd BETWEEN 0 AND amount_nusd),
    expires_at_us BIGINT,
    created_at_us BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id),
    CHECK (expires_at_us IS NULL OR kind = 'grant')
);
CREATE INDEX credit_lots_open ON credit_lots (organization_id) WHERE remaining_nusd > 0;
CREATE INDEX credit_lots_due ON credit_lots (expires_at_us, organization_id)
    WHERE remaining_nusd > 0 AND expires_at_us IS NOT NULL;

-- What credit lines were asked to be, by the id of each change: also of those that changed nothing.
CREATE TABLE overdraft_changes (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    line_nusd BIGINT NOT NULL CHECK (line_nusd BETWEEN 0 AND 4000000000000000000),
    asked_at_us BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id)
);

-- How much of what was taken from a wallet was taken from its lots.
CREATE TABLE credit_watermarks (
    organization_id TEXT PRIMARY KEY,
    allocated_nusd BIGINT NOT NULL CHECK (allocated_nusd BETWEEN 0 AND 4000000000000000000)
);

-- Credit that was paid for, what went back of it, and what banks took back.
CREATE TABLE purchases (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    provider TEXT NOT NULL,
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd > 0),
    tax_nusd BIGINT NOT NULL CHECK (tax_nusd >= 0),
    refunded_nusd BIGINT NOT NULL CHECK (refunded_nusd >= 0),
    refunded_tax_nusd BIGINT NOT NULL CHECK (refunded_tax_nusd BETWEEN 0 AND tax_nusd),
    disputed_nusd BIGINT NOT NULL CHECK (disputed_nusd >= 0),
    disputed_tax_nusd BIGINT NOT NULL CHECK (disputed_tax_nusd >= 0),
    created_at_us BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id),
    CHECK (refunded_nusd + disputed_nusd <= amount_nusd),
    CHECK (refunded_tax_nusd + disputed_tax_nusd <= tax_nusd)
);

CREATE TABLE purchase_refunds (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    purchase_id TEXT NOT NULL,
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd > 0),
    tax_nusd BIGINT NOT NULL CHECK (tax_nusd >= 0),
    created_at_us BIGINT NOT NULL,
    failed_at_us BIGINT,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, purchase_id) REFERENCES purchases (organization_id, id)
);
CREATE INDEX purchase_refunds_by_purchase ON purchase_refunds (organization_id, purchase_id);

-- What a bank took back is the credit that was taken from the wallet, its tax, and what was lost.
CREATE TABLE purchase_disputes (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    purchase_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd > 0),
    credit_nusd BIGINT NOT NULL CHECK (credit_nusd >= 0),
    tax_nusd BIGINT NOT NULL CHECK (tax_nusd >= 0),
    taken_nusd BIGINT NOT NULL CHECK (taken_nusd BETWEEN 0 AND credit_nusd),
    lost_nusd BIGINT NOT NULL CHECK (lost_nusd >= 0),
    created_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    PRIMARY KEY (organization_id, id),
    CHECK (amount_nusd = taken_nusd + tax_nusd + lost_nusd),
    FOREIGN KEY (organization_id, purchase_id) REFERENCES purchases (organization_id, id)
);
CREATE INDEX purchase_disputes_by_purchase ON purchase_disputes (organization_id, purchase_id);

-- Money reserved for a request in flight; the row goes when the request ends. Its legs are the pots
-- it counts in beside the wallet, a JSON list.
CREATE TABLE holds (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    node_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd BETWEEN 0 AND 4000000000000000000),
    price_id TEXT NOT NULL,
    admitted_at_us BIGINT NOT NULL,
    seen_input_tokens BIGINT NOT NULL,
    seen_output_tokens BIGINT NOT NULL,
    legs TEXT NOT NULL DEFAULT '[]',
    markup_bp BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX holds_by_node ON holds (node_id, epoch);

-- What follows is PostgreSQL's alone, where nodes share. One turn of a hard budget's window: what was
-- settled in it is taken, and what leases and open holds have of it. A settlement moves nothing here.
CREATE TABLE pots (
    id TEXT PRIMARY KEY,
    budget_id TEXT NOT NULL,
    window_at_us BIGINT NOT NULL,
    window_end_us BIGINT NOT NULL,
    limit_nusd BIGINT NOT NULL CHECK (limit_nusd >= 0),
    cap_nusd BIGINT NOT NULL,
    taken_nusd BIGINT NOT NULL CHECK (taken_nusd >= 0),
    closed_at_us BIGINT,
    CHECK (taken_nusd <= cap_nusd)
);
CREATE INDEX pots_by_budget ON pots (budget_id, window_at_us);

-- What one node may still hold of one pot. A wallet's pot is its account.
CREATE TABLE leases (
    pot_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    free_nusd BIGINT NOT NULL CHECK (free_nusd >= 0),
    asked BIGINT NOT NULL,
    granted_nusd BIGINT NOT NULL,
    recalled BIGINT NOT NULL CHECK (recalled IN (0, 1)),
    PRIMARY KEY (pot_id, node_id)
);
CREATE INDEX leases_by_node ON leases (node_id);

-- The part of a rate limit that is no node's, and how full it is: units times microseconds, in two
-- numbers, as it may be more than one holds.
CREATE TABLE rate_parts (
    limit_id TEXT PRIMARY KEY,
    units BIGINT NOT NULL,
    window_us BIGINT NOT NULL,
    level_high BIGINT NOT NULL,
    level_low BIGINT NOT NULL,
    at_us BIGINT NOT NULL
);
CREATE TABLE rate_shares (
    limit_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    units BIGINT NOT NULL,
    used BIGINT NOT NULL,
    told_at_us BIGINT NOT NULL,
    limit_units BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    raised BIGINT NOT NULL,
    filled BIGINT NOT NULL,
    demand BIGINT NOT NULL,
    wanted BIGINT NOT NULL,
    least BIGINT NOT NULL,
    wanted_at_us BIGINT NOT NULL,
    leaves BIGINT NOT NULL CHECK (leaves IN (0, 1)),
    PRIMARY KEY (limit_id, node_id)
);


-- Requests that came with an Idempotency-Key, by its digest: claimed before they are forwarded. The
-- answer comes with the settlement; the row goes when the request is released, or after a day.
CREATE TABLE idempotent_requests (
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_digest TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    request_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    claimed_at_us BIGINT NOT NULL,
    content_type TEXT,
    answer BYTEA,
    PRIMARY KEY (organization_id, project_id, key_digest),
    CHECK ((content_type IS NULL) = (answer IS NULL))
);
CREATE INDEX idempotent_requests_by_age ON idempotent_requests (claimed_at_us);

-- Append-only: one row a metered request. Ids of one organization sort by time of admission.
CREATE TABLE usage_records (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    upstream_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    admitted_at_us BIGINT NOT NULL,
    ended_at_us BIGINT NOT NULL,
    fresh_input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    audio_input_tokens BIGINT NOT NULL,
    audio_output_tokens BIGINT NOT NULL,
    image_tokens BIGINT NOT NULL,
    held_nusd BIGINT NOT NULL,
    cost_nusd BIGINT NOT NULL CHECK (cost_nusd BETWEEN 0 AND held_nusd),
    input_cost_nusd BIGINT NOT NULL CHECK (input_cost_nusd >= 0),
    cached_input_cost_nusd BIGINT NOT NULL CHECK (cached_input_cost_nusd >= 0),
    output_cost_nusd BIGINT NOT NULL CHECK (output_cost_nusd >= 0),
    request_cost_nusd BIGINT NOT NULL CHECK (request_cost_nusd >= 0),
    overrun_nusd BIGINT NOT NULL CHECK (overrun_nusd >= 0),
    upstream_cost_nusd BIGINT NOT NULL CHECK (upstream_cost_nusd >= 0),
    price_id TEXT NOT NULL,
    markup_bp BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    streamed BIGINT NOT NULL CHECK (streamed IN (0, 1)),
    first_output_us BIGINT CHECK (first_output_us >= 0),
    finish_reason TEXT,
    chain TEXT NOT NULL,
    batch BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id),
    CHECK (cost_nusd = input_cost_nusd + cached_input_cost_nusd + output_cost_nusd + request_cost_nusd)
);

-- Requests by when they ended: the order of the log.
CREATE INDEX usage_records_by_end ON usage_records (organization_id, ended_at_us, id);

-- Requests over a midnight (UTC): what sums by day of admission and transfers differ by there.
CREATE INDEX usage_records_overnight ON usage_records (
    organization_id, (ended_at_us / 86400000000 - admitted_at_us / 86400000000), admitted_at_us
) WHERE ended_at_us / 86400000000 - admitted_at_us / 86400000000 <> 0;

-- The same, folded by hour of admission in the same transaction: what reports read.
CREATE TABLE usage_hours (
    organization_id TEXT NOT NULL,
    hour_at_us BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    requests BIGINT NOT NULL,
    fresh_input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    audio_input_tokens BIGINT NOT NULL,
    audio_output_tokens BIGINT NOT NULL,
    image_tokens BIGINT NOT NULL,
    cost_nusd BIGINT NOT NULL,
    input_cost_nusd BIGINT NOT NULL,
    cached_input_cost_nusd BIGINT NOT NULL,
    output_cost_nusd BIGINT NOT NULL,
    request_cost_nusd BIGINT NOT NULL,
    upstream_cost_nusd BIGINT NOT NULL,
    PRIMARY KEY (organization_id, hour_at_us, project_id, key_id, model, endpoint)
);

-- The same by day (UTC) of admission, without the keys: what reports over many days read.
CREATE TABLE usage_days (
    organization_id TEXT NOT NULL,
    day_at_us BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    requests BIGINT NOT NULL,
    fresh_input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    audio_input_tokens BIGINT NOT NULL,
    audio_output_tokens BIGINT NOT NULL,
    image_tokens BIGINT NOT NULL,
    cost_nusd BIGINT NOT NULL,
    input_cost_nusd BIGINT NOT NULL,
    cached_input_cost_nusd BIGINT NOT NULL,
    output_cost_nusd BIGINT NOT NULL,
    request_cost_nusd BIGINT NOT NULL,
    upstream_cost_nusd BIGINT NOT NULL,
    PRIMARY KEY (organization_id, day_at_us, project_id, model, endpoint)
);

-- The same by day and person: whose key it was, empty if a service account's. A key's owner never
-- changes.
CREATE TABLE usage_user_days (
    organization_id TEXT NOT NULL,
    day_at_us BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    model TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    requests BIGINT NOT NULL,
    fresh_input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    audio_input_tokens BIGINT NOT NULL,
    audio_output_tokens BIGINT NOT NULL,
    image_tokens BIGINT NOT NULL,
    cost_nusd BIGINT NOT NULL,
    input_cost_nusd BIGINT NOT NULL,
    cached_input_cost_nusd BIGINT NOT NULL,
    output_cost_nusd BIGINT NOT NULL,
    request_cost_nusd BIGINT NOT NULL,
    upstream_cost_nusd BIGINT NOT NULL,
    PRIMARY KEY (organization_id, day_at_us, user_id, project_id, model, endpoint)
);

-- Requests that ended without a charge, refused or failed, and what was looked at (JSON). They are
-- kept for some days; of an organization that is refused very often, not all.
CREATE TABLE refused_requests (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    project_id TEXT,
    key_id TEXT,
    model TEXT,
    endpoint TEXT NOT NULL,
    upstream_id TEXT,
    streamed BIGINT CHECK (streamed IN (0, 1)),
    started_at_us BIGINT NOT NULL,
    ended_at_us BIGINT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('refused', 'failed')),
    status BIGINT NOT NULL,
    error_code TEXT,
    error_message TEXT NOT NULL,
    checks TEXT NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX refused_requests_by_end ON refused_requests (organization_id, ended_at_us, id);
CREATE INDEX refused_requests_by_age ON refused_requests (ended_at_us);

-- How many more there were, in each minute.
CREATE TABLE refusal_counts (
    organization_id TEXT NOT NULL,
    minute_at_us BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (organization_id, minute_at_us)
);
CREATE INDEX refusal_counts_by_age ON refusal_counts (minute_at_us);

-- Whether prompts and answers of an organization are kept, since when, and for how many days. What was
-- kept up to the instant of erasing goes at once.
CREATE TABLE prompt_logging (
    organization_id TEXT PRIMARY KEY REFERENCES organizations (id),
    days BIGINT NOT NULL CHECK (days BETWEEN 1 AND 30),
    enabled_at_us BIGINT,
    erased_until_us BIGINT NOT NULL
);

-- The beginnings of prompts and answers, sealed; and how long they were, whole.
CREATE TABLE kept_prompts (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kept_at_us BIGINT NOT NULL,
    request BYTEA NOT NULL,
    request_bytes BIGINT NOT NULL,
    response BYTEA,
    response_bytes BIGINT,
    PRIMARY KEY (organization_id, id),
    CHECK ((response IS NULL) = (response_bytes IS NULL))
);
CREATE INDEX kept_prompts_by_age ON kept_prompts (organization_id, kept_at_us);

-- The same by day and upstream, of all organizations: what it earned and cost. Each writer adds to rows
-- of its own, so that nodes do not wait for each other.
CREATE TABLE upstream_days (
    chain TEXT NOT NULL,
    day_at_us BIGINT NOT NULL,
    upstream_id TEXT NOT NULL,
    model TEXT NOT NULL,
    requests BIGINT NOT NULL,
    fresh_input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    audio_input_tokens BIGINT NOT NULL,
    audio_output_tokens BIGINT NOT NULL,
    image_tokens BIGINT NOT NULL,
    cost_nusd BIGINT NOT NULL,
    input_cost_nusd BIGINT NOT NULL,
    cached_input_cost_nusd BIGINT NOT NULL,
    output_cost_nusd BIGINT NOT NULL,
    request_cost_nusd BIGINT NOT NULL,
    upstream_cost_nusd BIGINT NOT NULL,
    PRIMARY KEY (chain, day_at_us, upstream_id, model)
);
CREATE INDEX upstream_days_by_day ON upstream_days (day_at_us);

-- What upstreams say they are owed, day by day (UTC), as their own costs API tells it: the latest word
-- on a day replaces what they said before.
CREATE TABLE upstream_costs (
    upstream_id TEXT NOT NULL,
    day_at_us BIGINT NOT NULL,
    line_item TEXT NOT NULL,
    amount_nusd BIGINT NOT NULL,
    told_at_us BIGINT NOT NULL,
    PRIMARY KEY (upstream_id, day_at_us, line_item)
);

-- Days on which an upstream's word differed from the books by more than is tolerated: told once.
CREATE TABLE upstream_drifts (
    upstream_id TEXT NOT NULL,
    day_at_us BIGINT NOT NULL,
    ours_nusd BIGINT NOT NULL,
    theirs_nusd BIGINT NOT NULL,
    told_at_us BIGINT NOT NULL,
    PRIMARY KEY (upstream_id, day_at_us)
);

-- A money limit over a calendar window (UTC), on the organization, one of its projects or keys.
-- What was spent in a window is a sum of usage_hours, so nothing is counted twice. A spend alert has a
-- JSON pair in "alert": the recipients of its mail, and a prefix of the subject or null.
CREATE TABLE budgets (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id TEXT REFERENCES projects (id),
    key_id TEXT REFERENCES keys (id),
    calendar TEXT NOT NULL CHECK (calendar IN ('day', 'week', 'month', 'always')),
    limit_nusd BIGINT NOT NULL CHECK (limit_nusd BETWEEN 0 AND 4000000000000000000),
    force TEXT NOT NULL CHECK (force IN ('hard', 'soft')),
    thresholds TEXT NOT NULL,
    spend_limit_since_us BIGINT,
    alert TEXT,
    created_at_us BIGINT NOT NULL,
    CHECK (project_id IS NULL OR key_id IS NULL)
);
CREATE INDEX budgets_by_organization ON budgets (organization_id, created_at_us, id);
-- The one that OpenAI's spend_limit endpoints speak of; there is one for each scope.
CREATE UNIQUE INDEX budgets_spend_limit ON budgets (organization_id, COALESCE(project_id, ''))
    WHERE spend_limit_since_us IS NOT NULL;

-- Thresholds that spending reached, once for each window.
CREATE TABLE budget_events (
    budget_id TEXT NOT NULL,
    window_at_us BIGINT NOT NULL,
    threshold_percent BIGINT NOT NULL,
    organization_id TEXT NOT NULL,
    limit_nusd BIGINT NOT NULL,
    spent_nusd BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (budget_id, window_at_us, threshold_percent)
);

-- Rate limits of a scope: '' where the organization is meant, or every model without a row there.
CREATE TABLE rate_limits (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    requests_per_minute BIGINT,
    tokens_per_minute BIGINT,
    requests_per_day BIGINT,
    tokens_per_day BIGINT,
    concurrent_requests BIGINT,
    PRIMARY KEY (organization_id, project_id, key_id, model),
    CHECK (project_id = '' OR key_id = '')
);

-- What organizations were told of: once for each cause. The row and the messages about it are there
-- together, or not at all.
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    data TEXT NOT NULL,
    raised_at_us BIGINT NOT NULL,
    UNIQUE (organization_id, kind, cause)
);
CREATE INDEX alerts_by_age ON alerts (organization_id, raised_at_us, id);

-- How organizations want to be named on papers about money.
CREATE TABLE billing_profiles (
    organization_id TEXT PRIMARY KEY REFERENCES organizations (id),
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    country TEXT NOT NULL,
    tax_id TEXT NOT NULL,
    email TEXT NOT NULL,
    set_at_us BIGINT NOT NULL
);

-- Who sells, as papers name it: one row, written by every server as it starts.
CREATE TABLE seller (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    prefix TEXT NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    country TEXT NOT NULL,
    tax_id TEXT NOT NULL,
    email TEXT NOT NULL,
    set_at_us BIGINT NOT NULL
);

-- The last number of each kind of paper in a year: every transaction that issues one locks the row.
CREATE TABLE receipt_series (
    kind TEXT NOT NULL CHECK (kind IN ('receipt', 'credit_note')),
    year BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    last_at_us BIGINT NOT NULL,
    PRIMARY KEY (kind, year)
);

-- Append-only: receipts and credit notes, as they were issued. The cause is the purchase, or the
-- refund of it, and has one paper. The content is JSON.
CREATE TABLE receipts (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    number TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('receipt', 'credit_note')),
    year BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    cause_id TEXT NOT NULL UNIQUE,
    purchase_id TEXT NOT NULL,
    of_receipt TEXT,
    issued_at_us BIGINT NOT NULL,
    amount_nusd BIGINT NOT NULL CHECK (amount_nusd BETWEEN 1 AND 4000000000000000000),
    tax_nusd BIGINT NOT NULL CHECK (tax_nusd BETWEEN 0 AND 4000000000000000000),
    content TEXT NOT NULL,
    PRIMARY KEY (organization_id, number),
    UNIQUE (kind, year, seq),
    CHECK ((kind = 'credit_note') = (of_receipt IS NOT NULL))
);
CREATE INDEX receipts_by_age ON receipts (organization_id, issued_at_us, number);
CREATE INDEX receipts_of_receipt ON receipts (organization_id, of_receipt)
    WHERE of_receipt IS NOT NULL;

-- Who gets the mails of a kind of alert, where an organization decided.
CREATE TABLE alert_mails (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    mail_to TEXT NOT NULL,
    PRIMARY KEY (organization_id, kind)
);

-- Below which balance an organization is told (null: the usual one, 0: never), whether it is, and how
-- often it fell there.
CREATE TABLE low_balances (
    organization_id TEXT PRIMARY KEY REFERENCES organizations (id),
    threshold_nusd BIGINT,
    is_low BIGINT NOT NULL,
    falls BIGINT NOT NULL
);
CREATE INDEX low_balances_now ON low_balances (organization_id) WHERE is_low = 1;

-- Networks and programs that people signed in from.
CREATE TABLE sign_in_places (
    user_id TEXT NOT NULL REFERENCES users (id),
    device TEXT NOT NULL,
    network TEXT NOT NULL,
    seen_at_us BIGINT NOT NULL,
    PRIMARY KEY (user_id, device, network)
);

-- Addresses that are told of alerts. Secrets are sealed; kinds are words with commas between, null
-- is all of them.
CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    form TEXT NOT NULL CHECK (form IN ('standard', 'slack')),
    url TEXT NOT NULL,
    kinds TEXT,
    description TEXT NOT NULL,
    secret BYTEA NOT NULL,
    earlier_secret BYTEA,
    earlier_ends_at_us BIGINT,
    off TEXT CHECK (off IN ('by_hand', 'failing', 'gone')),
    off_at_us BIGINT,
    failing_since_us BIGINT,
    created_at_us BIGINT NOT NULL,
    CHECK ((earlier_secret IS NULL) = (earlier_ends_at_us IS NULL)),
    CHECK ((off IS NULL) = (off_at_us IS NULL))
);
CREATE INDEX webhook_endpoints_by_organization
    ON webhook_endpoints (organization_id, created_at_us, id);

-- What is sent to an endpoint about an event; queued counts its jobs, as it may be sent again.
CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY,
    endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id),
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    facts TEXT,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    queued BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    last_status BIGINT,
    created_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    CHECK ((state = 'waiting') = (ended_at_us IS NULL))
);
CREATE INDEX webhook_deliveries_by_endpoint
    ON webhook_deliveries (endpoint_id, created_at_us, id);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at_us, id)
    WHERE state <> 'waiting';

CREATE TABLE webhook_attempts (
    delivery_id TEXT NOT NULL REFERENCES webhook_deliveries (id),
    number BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    took_ms BIGINT NOT NULL,
    status BIGINT,
    answer TEXT,
    failure TEXT,
    PRIMARY KEY (delivery_id, number)
);

-- Messages to be sent once what caused them is committed, each at least once, and one for a key. A
-- worker's claim lasts until due_at_us. The facts go when a message is sent: they hold codes.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    job_key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('mail', 'sms', 'webhook')),
    recipient TEXT NOT NULL,
    template TEXT NOT NULL,
    facts TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    due_at_us BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    claim TEXT,
    error TEXT,
    expires_at_us BIGINT,
    created_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    CHECK ((state = 'waiting') = (ended_at_us IS NULL)),
    CHECK (state = 'waiting' OR claim IS NULL)
);
CREATE INDEX jobs_due ON jobs (due_at_us, id) WHERE state = 'waiting';
CREATE INDEX jobs_ended ON jobs (state, ended_at_us, id) WHERE state <> 'waiting';
CREATE INDEX jobs_by_age ON jobs (created_at_us, id);

-- Where messages end that are not to be sent: an installation to try Farebox with shows them.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL CHECK (channel IN ('mail', 'sms')),
    recipient TEXT NOT NULL,
    subject TEXT,
    body TEXT NOT NULL,
    html TEXT,
    at_us BIGINT NOT NULL
);
CREATE INDEX outbox_by_age ON outbox (at_us, id);
CREATE TABLE outbox_attachments (
    message_id TEXT NOT NULL REFERENCES outbox (id),
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (message_id, name)
);

-- What an operator changed of the configuration while servers run.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    set_at_us BIGINT NOT NULL
);

-- Proofs of the books that were asked for, one at a time; the report is JSON. The server that is at it
-- was seen to be then.
CREATE TABLE verifications (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('running', 'proved', 'broken', 'failed', 'given_up')),
    steps_done BIGINT NOT NULL,
    steps BIGINT NOT NULL,
    begun_at_us BIGINT NOT NULL,
    seen_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    report TEXT,
    CHECK ((state = 'running') = (ended_at_us IS NULL))
);
CREATE UNIQUE INDEX verifications_one ON verifications (state) WHERE state = 'running';

-- Append-only: who changed what. Written by the transaction that makes the change. The detail is the
-- JSON that OpenAI's audit log shows under the name of the event. Who did it is a key and its owner,
-- a person in a session, or nobody: an operator's command.
CREATE TABLE audit_log (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    kind TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    project_id TEXT,
    detail TEXT NOT NULL,
    key_id TEXT,
    user_id TEXT,
    service_account_id TEXT,
    email TEXT,
    ip_address TEXT,
    user_agent TEXT,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX audit_log_by_time ON audit_log (organization_id, at_us, id);
CREATE INDEX audit_log_by_kind ON audit_log (organization_id, kind, at_us, id);
CREATE INDEX audit_log_by_resource ON audit_log (organization_id, resource_id, at_us, id);
CREATE INDEX audit_log_by_project ON audit_log (organization_id, project_id, at_us, id);
CREATE INDEX audit_log_by_user ON audit_log (organization_id, user_id, at_us, id);
CREATE INDEX audit_log_by_key ON audit_log (organization_id, key_id, at_us, id);
CREATE INDEX audit_log_by_service_account ON audit_log
    (organization_id, service_account_id, at_us, id) WHERE service_account_id IS NOT NULL;
CREATE INDEX audit_log_by_email ON audit_log (organization_id, email, at_us, id);

-- Hot rows: room on their pages lets an update stay on its page.
ALTER TABLE accounts SET (fillfactor = 50);
ALTER TABLE leases SET (fillfactor = 50);
ALTER TABLE usage_hours SET (fillfactor = 70);
ALTER TABLE usage_days SET (fillfactor = 70);
ALTER TABLE usage_user_days SET (fillfactor = 70);
ALTER TABLE upstream_days SET (fillfactor = 70);

-- Ends a statement with an error of this code, and with it everything that the statement wrote.
CREATE FUNCTION refuse(code TEXT, reason TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = reason;
END
$$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct it with another row', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER transfers_append_only BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER batches_append_only BEFORE UPDATE OR DELETE ON batches
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER usage_records_append_only BEFORE UPDATE OR DELETE ON usage_records
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER prices_append_only BEFORE UPDATE OR DELETE ON prices
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER price_withdrawals_append_only BEFORE UPDATE OR DELETE ON price_withdrawals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER receipts_append_only BEFORE UPDATE OR DELETE ON receipts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER markups_append_only BEFORE UPDATE OR DELETE ON markups
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER markup_ends_append_only BEFORE UPDATE OR DELETE ON markup_ends
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
