import { Anchor, Group, Select } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Money } from '../../ui/Money';
import { useNow } from '../../ui/now';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { rangeNamed } from '../usage/range';
import { shareOf } from './revenue';
import { useRevenueLook } from './revenueLook';
import { TimeSelect } from './TimeSelect';

type Row = Schemas['Margin'];

/** What comes first, by the names that addresses have for it. */
const ORDERS = [
  { value: 'revenue', label: 'Highest revenue', query: { order_by: 'revenue' } },
  { value: 'cost', label: 'Highest cost', query: { order_by: 'cost' } },
  { value: 'margin', label: 'Highest margin', query: { order_by: 'margin' } },
  { value: 'loss', label: 'Lowest margin', query: { order_by: 'margin', order: 'asc' } },
] as const;

const COLUMNS: Column<Row>[] = [
  {
    name: 'Organization',
    cell: ({ id, name }) => (
      <Anchor component={Link} to={`/operator/organizations/${id}`} fw={550} size="sm">
        {name}
      </Anchor>
    ),
  },
  {
    name: 'Requests',
    align: 'right',
    cell: ({ num_model_requests: requests }) => requests.toLocaleString(),
  },
  { name: 'Revenue', align: 'right', cell: (row) => <Money amount={row.revenue_usd} /> },
  { name: 'Cost', align: 'right', cell: (row) => <Money amount={row.cost_usd} /> },
  { name: 'Margin', align: 'right', cell: (row) => <Money amount={row.margin_usd} /> },
  {
    name: 'Share',
    align: 'right',
    cell: ({ margin_usd: margin, revenue_usd: revenue }) => shareOf({ margin, revenue }),
  },
];

/** What each organization was charged, what that cost, and what was left. */
export function Spenders() {
  const [look, set] = useRevenueLook();
  const { start, end } = rangeNamed(look.range, useNow());
  const order = ORDERS.find(({ value }) => value === look.order) ?? ORDERS[0];
  const margins = usePaged<Row>({
    key: ['operator', 'margins', start, end, order.value],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/margins', {
          params: {
            query: { start_time: start, end_time: end, limit: 50, ...order.query, ...place },
          },
          signal,
        }),
      ),
  });
  return (
    <>
      <Group align="flex-end">
        <TimeSelect look={look} set={set} />
        <Select
          label="First"
          data={ORDERS.map(({ value, label }) => ({ value, label }))}
          value={order.value}
          allowDeselect={false}
          w={180}
          onChange={(value) => {
            set({ order: value ?? 'revenue' });
          }}
        />
      </Group>
      <Paged
        query={margins}
        empty={
          <Empty title="Nothing in this time" text="What is charged appears here within seconds." />
        }
      >
        {(rows) => (
          <DataTable label="Organizations" columns={COLUMNS} rows={rows} keyOf={({ id }) => id} />
        )}
      </Paged>
    </>
  );
}
