import { Progress, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { Answered } from '../../ui/States';
import { When } from '../../ui/When';
import classes from './Balance.module.css';

type Credit = Schemas['BillingCredit'];
type Found = Schemas['BillingBalance'];

const REFRESH_MS = 5_000;
/** The server tells of no more. */
const MOST_CREDITS = 100;

const KINDS: Record<string, string> = {
  grant: 'Granted',
  purchase: 'Purchased',
  overdraft: 'Credit line',
};

const COLUMNS: Column<Credit>[] = [
  { name: 'Credit', cell: ({ kind }) => KINDS[kind] ?? kind },
  { name: 'Since', cell: (credit) => <When at={credit.created_at} as="day" /> },
  { name: 'Lapses', cell: (credit) => <When at={credit.expires_at} as="day" /> },
  { name: 'Left', align: 'right', cell: (credit) => <Money amount={credit.remaining_usd} /> },
  { name: 'Of', align: 'right', cell: (credit) => <Money amount={credit.amount_usd} /> },
  { name: 'Share left', isNameHidden: true, cell: (credit) => <Left of={credit} /> },
];

function Left({ of: credit }: { of: Credit }) {
  const whole = Number(credit.amount_usd);
  const share = whole > 0 ? Math.round((100 * Number(credit.remaining_usd)) / whole) : 0;
  return <Progress className={classes.left} value={share} aria-label={`${share} per cent left`} />;
}

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
          <Stack gap="lg">
            <div>
              <Text size="sm" c="dimmed">
                Can be spent now
              </Text>
              <Text className={classes.available}>
                <Money amount={found.available_usd} />
              </Text>
            </div>
            <Facts of={factsOf(found)} />
            <Credits of={found.credits} />
          </Stack>
        )}
      </Answered>
    </Card>
  );
}

function factsOf(found: Found): [string, ReactNode][] {
  const money = (amount: string) => <Money amount={amount} />;
  const hasLine = Number(found.overdraft_usd) > 0;
  return [
    ['Balance', money(found.balance_usd)],
    ['Of it, purchased', money(found.purchased_usd)],
    ['Of it, granted', money(found.granted_usd)],
    ['Held for requests in flight', money(found.held_usd)],
    ...(hasLine
      ? ([
          ['Credit line', money(found.overdraft_usd)],
          ['Of it, spent', money(found.overdraft_used_usd)],
        ] as [string, ReactNode][])
      : []),
  ];
}

function Credits({ of: credits }: { of: Credit[] }) {
  if (credits.length === 0) {
    return <Text size="sm">There is no credit: calls are refused until there is.</Text>;
  }
  return (
    <div>
      <Text size="sm" c="dimmed" mb="xs">
        What it is made of, spent from the top: what lapses first goes first.
        {credits.length === MOST_CREDITS && ` The first ${MOST_CREDITS} are shown.`}
      </Text>
      <DataTable label="Credit" columns={COLUMNS} rows={credits} keyOf={(row) => row.id} />
    </div>
  );
}
