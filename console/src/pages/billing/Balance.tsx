import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { Answered } from '../../ui/States';
import { When } from '../../ui/When';

type Credit = Schemas['BillingCredit'];

const REFRESH_MS = 5_000;

const KINDS: Record<string, string> = {
  grant: 'Granted',
  purchase: 'Purchased',
  overdraft: 'Overdraft',
};

const COLUMNS: Column<Credit>[] = [
  { name: 'Credit', cell: ({ kind }) => KINDS[kind] ?? kind },
  { name: 'Left', align: 'right', cell: (credit) => <Money amount={credit.remaining_usd} /> },
  { name: 'Of', align: 'right', cell: (credit) => <Money amount={credit.amount_usd} /> },
  { name: 'Since', cell: (credit) => <When at={credit.created_at} as="day" /> },
  { name: 'Expires', cell: (credit) => <When at={credit.expires_at} as="day" /> },
];

/** What can be spent, and what it is made of: in the order in which it is spent. */
export function Balance() {
  const balance = useQuery({
    queryKey: ['billing', 'balance'],
    refetchInterval: REFRESH_MS,
    queryFn: ({ signal }) => data(api.GET('/api/billing/balance', { signal })),
  });
  return (
    <Card title="Balance">
      <Answered query={balance}>
        {(found) => (
          <>
            <Facts
              of={[
                ['Balance', <Money key="balance" amount={found.balance_usd} />],
                ['Can be spent now', <Money key="available" amount={found.available_usd} />],
                ['Held for requests', <Money key="held" amount={found.held_usd} />],
                ['Granted', <Money key="granted" amount={found.granted_usd} />],
                ['Purchased', <Money key="purchased" amount={found.purchased_usd} />],
              ]}
            />
            {found.credits.length > 0 ? (
              <>
                <Text size="sm" c="dimmed" my="sm">
                  Spent from the top: what expires first goes first.
                </Text>
                <DataTable
                  label="Credit"
                  columns={COLUMNS}
                  rows={found.credits}
                  keyOf={(row) => row.id}
                />
              </>
            ) : (
              <Text size="sm" mt="sm">
                There is no credit: calls are refused until there is.
              </Text>
            )}
          </>
        )}
      </Answered>
    </Card>
  );
}
