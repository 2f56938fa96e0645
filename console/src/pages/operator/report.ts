import type { Schemas } from '../../api/types';

interface Check {
  name: string;
  /** What is true of the books if nothing breaks it. */
  claim: string;
  violations: unknown[];
}

/** What a proof of the books found. */
export interface Report {
  transfers: number;
  usage_records: number;
  checks: Check[];
}

/** What a proof found: nothing until it has ended. */
export function reportOf({ report }: Schemas['LedgerVerification']): Report | null {
  // The document leaves its form open, as it is that of `farebox ledger verify --json`.
  const found = report as Partial<Report> | null | undefined;
  if (!found || !Array.isArray(found.checks)) return null;
  const { transfers = 0, usage_records = 0, checks } = found;
  return { transfers, usage_records, checks };
}
