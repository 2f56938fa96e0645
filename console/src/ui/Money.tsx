import { exactUsd, usd } from './money';

/** A price of a unit, or of a million of them: every digit, as fractions of cents add up. */
export function UnitPrice({ amount }: { amount: string }) {
  return <span style={{ fontVariantNumeric: 'tabular-nums' }}>{exactUsd(amount)}</span>;
}

/** An amount in US dollars: what matters of it, and every digit on hover. */
export function Money({ amount }: { amount: string }) {
  return (
    <span title={exactUsd(amount)} style={{ fontVariantNumeric: 'tabular-nums' }}>
      {usd(amount)}
    </span>
  );
}
