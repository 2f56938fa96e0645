import { Text } from '@mantine/core';
import { Money } from './Money';

interface SignedMoneyProps {
  amount: string;
  /** Whether more is neither good nor bad. */
  isNeutral?: boolean;
}

/** How much an amount changes: with its sign, and in the colour of good if it is more. */
export function SignedMoney({ amount, isNeutral = false }: SignedMoneyProps) {
  const isLess = amount.startsWith('-');
  const isNothing = /^0*\.?0*$/.test(amount);
  return (
    <Text span inherit c={isLess || isNothing || isNeutral ? 'inherit' : 'var(--farebox-good)'}>
      {!isLess && !isNothing && '+'}
      <Money amount={amount} />
    </Text>
  );
}
