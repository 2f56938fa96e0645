//! What is claimed of purchases, and of what moves money outside of the ledger's queue.

use super::Invariant;

pub(super) const INVARIANTS: &[Invariant<'_>] = &[
    Invariant {
        name: "accounts of codes",
        claim: "money moves between the accounts that its code says",
        sql: "SELECT id, amount_nusd, CAST(0 AS BIGINT) FROM transfers
              WHERE code || ' ' || CASE WHEN debit_account = 'wallet:' || organization_id THEN 'wallet'
                                        WHEN debit_account = 'overdraft:' || organization_id
                                        THEN 'overdraft'
                                        WHEN debit_account LIKE 'payments:%' THEN 'payments'
                                        WHEN debit_account LIKE 'upstream_cost:%' THEN 'cost'
                                        ELSE debit_account END
                         || ' ' || CASE WHEN credit_account = 'wallet:' || organization_id THEN 'wallet'
                                        WHEN credit_account = 'overdraft:' || organization_id
                                        THEN 'overdraft'
                                        WHEN credit_account LIKE 'payments:%' THEN 'payments'
                                        WHEN credit_account LIKE 'revenue:%' THEN 'revenue'
                                        WHEN credit_account LIKE 'upstream_payable:%' THEN 'payable'
                                        ELSE credit_account END
                  NOT IN ('usage wallet revenue', 'overrun overrun revenue',
                          'upstream_cost cost payable', 'grant grants wallet',
                          'redeemed grants wallet', 'expiry wallet grants',
                          'adjustment wallet grants', 'purchase payments wallet',
                          'tax payments tax', 'refund wallet payments',
                          'refunded_tax tax payments', 'refund_failed payments wallet',
                          'refund_failed payments tax', 'dispute wallet payments',
                          'disputed_loss disputes payments', 'dispute_won payments wallet',
                          'dispute_won payments tax', 'dispute_won payments disputes',
                          'overdraft overdraft wallet', 'overdraft_ended wallet overdraft')",
        unit: "nUSD",
    },
    Invariant {
        name: "purchases",
        claim: "each purchase, refund and dispute moved what it says, once, and nothing else did",
        sql: "SELECT id || ' of ' || organization_id, CAST(SUM(moved) AS BIGINT),
                     CAST(SUM(said) AS BIGINT)
              FROM (SELECT organization_id, id, code, amount_nusd AS moved, 0 AS said FROM transfers
                    WHERE code IN ('purchase', 'tax', 'refund', 'refunded_tax', 'refund_failed',
                                   'dispute', 'disputed_loss', 'dispute_won')
                    UNION ALL SELECT organization_id, id, 'purchase', 0, amount_nusd FROM purchases
                    UNION ALL SELECT organization_id, id || ':tax', 'tax', 0, tax_nusd FROM purchases
                    UNION ALL SELECT organization_id, id, 'refund', 0, amount_nusd
                    FROM purchase_refunds
                    UNION ALL SELECT organization_id, id || ':tax', 'refunded_tax', 0, tax_nusd
                    FROM purchase_refunds
                    UNION ALL SELECT organization_id, id || ':failed', 'refund_failed', 0, amount_nusd
                    FROM purchase_refunds WHERE failed_at_us IS NOT NULL
                    UNION ALL SELECT organization_id, id || ':failed_tax', 'refund_failed', 0, tax_nusd
                    FROM purchase_refunds WHERE failed_at_us IS NOT NULL
                    UNION ALL SELECT organization_id, id, 'dispute', 0, taken_nusd
                    FROM purchase_disputes
                    UNION ALL SELECT organization_id, id || ':tax', 'refunded_tax', 0, tax_nusd
                    FROM purchase_disputes
                    UNION ALL SELECT organization_id, id || ':lost', 'disputed_loss', 0, lost_nusd
                    FROM purchase_disputes
                    UNION ALL SELECT organization_id, id || ':won', 'dispute_won', 0, taken_nusd
                    FROM purchase_disputes WHERE state = 'won'
                    UNION ALL SELECT organization_id, id || ':won_tax', 'dispute_won', 0, tax_nusd
                    FROM purchase_disputes WHERE state = 'won'
                    UNION ALL SELECT organization_id, id || ':won_lost', 'dispute_won', 0, lost_nusd
                    FROM purchase_disputes WHERE state = 'won') AS both_sides
              GROUP BY organization_id, id, code HAVING SUM(moved) <> SUM(said)",
        unit: "nUSD",
    },
    Invariant {
        name: "given back",
        claim: "what was given back and what is disputed of each purchase is the sum of its refunds and disputes",
        sql: "SELECT id || ' of ' || organization_id, CAST(SUM(counted + tax + disputed + disputed_tax) AS BIGINT),
                     CAST(0 AS BIGINT)
              FROM (SELECT organization_id, id, refunded_nusd AS counted, refunded_tax_nusd AS tax,
                           disputed_nusd AS disputed, disputed_tax_nusd AS disputed_tax
                    FROM purchases
                    UNION ALL SELECT organization_id, purchase_id, -amount_nusd, -tax_nusd, 0, 0
                    FROM purchase_refunds WHERE failed_at_us IS NULL
                    UNION ALL SELECT organization_id, purchase_id, 0, 0, -credit_nusd, -tax_nusd
                    FROM purchase_disputes WHERE state <> 'won') AS both_sides
              GROUP BY organization_id, id
              HAVING SUM(counted) <> 0 OR SUM(tax) <> 0 OR SUM(disputed) <> 0
                  OR SUM(disputed_tax) <> 0",
        unit: "nUSD",
    },
];
