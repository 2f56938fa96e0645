import { Code, Stack, Text, Title } from '@mantine/core';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Money, UnitPrice } from '../../ui/Money';
import { exactUsd } from '../../ui/money';

type Class = Schemas['ReceiptClass'];

const COLUMNS: Column<Class>[] = [
  { name: 'What', cell: ({ class: name }) => name.replaceAll('_', ' ') },
  { name: 'Units', align: 'right', cell: ({ units }) => units.toLocaleString() },
  {
    name: 'For a million',
    align: 'right',
    cell: ({ unit_price_usd: price }) => <UnitPrice amount={price} />,
  },
  { name: 'Amount', align: 'right', cell: ({ amount_usd: amount }) => exactUsd(amount) },
];

/** What a request cost and why, to the last digit. */
export function Receipt({ of: receipt }: { of: Schemas['RequestReceipt'] }) {
  const { integrity, balance_after_usd: after } = receipt;
  return (
    <section>
      <Title order={3} size="h5" mb="xs">
        Receipt
      </Title>
      <Stack gap="md">
        <DataTable
          label="What it was charged for"
          columns={COLUMNS}
          rows={receipt.classes}
          keyOf={(row) => row.class}
        />
        <Facts
          of={[
            ['Charged', exactUsd(receipt.cost_usd)],
            ['Of it, rounding', exactUsd(receipt.rounding_usd)],
            ['Had been held', <Money key="held" amount={receipt.held_usd} />],
            ['Balance after', after ? <Money key="after" amount={after} /> : 'As before'],
            ...(Number(receipt.overrun_usd) > 0
              ? [['Used beyond that, not charged', exactUsd(receipt.overrun_usd)] as [string, string]]
              : []),
          ]}
        />
        <Text size="xs" c="dimmed">
          Batch {integrity.batch.toLocaleString()} of chain <Code>{integrity.chain}</Code>, hash{' '}
          <Code title={integrity.hash}>{integrity.hash.slice(0, 16)}…</Code>
        </Text>
      </Stack>
    </section>
  );
}
