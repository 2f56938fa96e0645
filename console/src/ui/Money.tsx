import { exactUsd, usd } from './money';

/** An amount in US dollars: what matters of it, and every digit on hover. */
export function Money({ amount }: { amount: string }) {
  return (
    <span title={exactUsd(amount)} style={{ fontVariantNumeric: 'tabular-nums' }}>
      {usd(amount)}
    </span>
  );
}
