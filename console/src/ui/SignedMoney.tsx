import { Text } from '@mantine/core';
import { Money } from './Money';

/** How much an amount changes: with its sign, and in the colour of good if it is more. */
export function SignedMoney({ amount }: { amount: string }) {
  const isLess = amount.startsWith('-');
  const isNothing = /^0*\.?0*$/.test(amount);
  return (
    <Text span inherit c={isLess || isNothing ? 'inherit' : 'var(--farebox-good)'}>
      {!isLess && !isNothing && '+'}
      <Money amount={amount} />
    </Text>
  );
}
