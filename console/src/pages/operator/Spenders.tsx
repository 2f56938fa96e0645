import { Anchor, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Money } from '../../ui/Money';
import { Answered, Empty } from '../../ui/States';

type Organization = Schemas['OperatorOrganization'];

/** Most installations have fewer organizations; of larger ones the first are shown, and it is said. */
const MOST = 100;

const COLUMNS: Column<Organization>[] = [
  {
    name: 'Organization',
    cell: ({ id, name }) => (
      <Anchor component={Link} to={`/operator/organizations/${id}`} fw={550} size="sm">
        {name}
      </Anchor>
    ),
  },
  {
    name: 'Charged this month',
    align: 'right',
    cell: (row) => <Money amount={row.spent_this_month_usd} />,
  },
  { name: 'Balance', align: 'right', cell: (row) => <Money amount={row.balance_usd} /> },
];

/** What each organization was charged this month, the most first. */
export function Spenders() {
  const organizations = useQuery({
    queryKey: ['operator', 'organizations', 'spenders'],
    queryFn: ({ signal }) =>
      data(api.GET('/api/operator/organizations', { params: { query: { limit: MOST } }, signal })),
  });
  return (
    <Card title="This month by organization" text="What was charged to requests of this month, UTC.">
      <Answered query={organizations}>
        {({ data: rows, has_more: hasMore }) => (
          <>
            {rows.length === 0 ? (
              <Empty title="No organizations" text="There is nobody to charge yet." />
            ) : (
              <DataTable
                label="Organizations"
                columns={COLUMNS}
                rows={rows.toSorted(
                  (one, other) =>
                    Number(other.spent_this_month_usd) - Number(one.spent_this_month_usd),
                )}
                keyOf={(row) => row.id}
              />
            )}
            {hasMore && (
              <Text size="sm" c="dimmed" mt="sm">
                The first {MOST} organizations; all are under Organizations.
              </Text>
            )}
          </>
        )}
      </Answered>
    </Card>
  );
}
