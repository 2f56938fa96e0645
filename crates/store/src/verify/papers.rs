//! What is claimed of papers: an auditor asks for no gaps, and for one receipt of each payment.

use super::Invariant;

pub(super) const INVARIANTS: &[Invariant<'_>] = &[
    Invariant {
        name: "numbered",
        claim: "receipts and credit notes count from 1 in each year, without gaps, no two alike",
        // Each beside the one before it, each series beside its last paper, and each number beside
        // its others and beside the place that it tells.
        sql: "SELECT place, CAST(seq AS BIGINT), CAST(should AS BIGINT) FROM (
                  SELECT number AS place, seq, COALESCE(LAG(seq) OVER (
                      PARTITION BY kind, year ORDER BY seq), 0) + 1 AS should FROM receipts
                  UNION ALL
                  SELECT kind || ' ' || year, SUM(said), SUM(found) FROM (
                      SELECT kind, year, last_seq AS said, 0 AS found FROM receipt_series
                      UNION ALL
                      SELECT kind, year, 0, MAX(seq) FROM receipts GROUP BY kind, year) AS series
                  GROUP BY kind, year
                  UNION ALL
                  SELECT number || ' papers', COUNT(*), 1 FROM receipts GROUP BY number
                  UNION ALL
                  SELECT number || ' by its name', 0, seq FROM receipts
                  WHERE number NOT LIKE '%' || CASE kind WHEN 'credit_note' THEN 'CN-' ELSE '' END
                      || year || '-' || CASE WHEN seq < 1000000
                                             THEN SUBSTR(CAST(1000000 + seq AS TEXT), 2)
                                             ELSE CAST(seq AS TEXT) END) AS numbers
              WHERE seq <> should",
        unit: "in its series",
    },
    Invariant {
        name: "receipted",
        claim: "each payment that succeeded has one receipt, of its amount and tax, and nothing else has",
        sql: "SELECT cause, CAST(SUM(papers + tax) AS BIGINT), CAST(SUM(paid + paid_tax) AS BIGINT)
              FROM (SELECT cause_id AS cause, 1 AS papers_of, amount_nusd AS papers,
                           tax_nusd AS tax, 0 AS payments_of, 0 AS paid, 0 AS paid_tax
                    FROM receipts WHERE kind = 'receipt'
                    UNION ALL
                    SELECT 'payment:' || id, 0, 0, 0, 1, amount_nusd, tax_nusd
                    FROM payments WHERE state = 'succeeded' AND kind <> 'setup') AS both_sides
              GROUP BY cause
              HAVING SUM(papers_of) <> 1 OR SUM(payments_of) <> 1 OR SUM(papers) <> SUM(paid)
                  OR SUM(tax) <> SUM(paid_tax)",
        unit: "nUSD",
    },
];
