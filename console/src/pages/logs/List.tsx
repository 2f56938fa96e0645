import { Text } from '@mantine/core';
import { DataTable, type Column } from '../../ui/DataTable';
import { DetailLink } from '../../ui/Detail';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { durationOf, tokensOf } from './entry';
import type { Look } from './filter';
import { Outcome } from './Outcome';
import { merged, useFollowed, useLogs, type Entry } from './useLogs';

const COLUMNS: Column<Entry>[] = [
  {
    name: 'When',
    cell: ({ id, started_at: at }) => (
      <DetailLink name="request" id={id}>
        <When at={at} as="second" />
      </DetailLink>
    ),
  },
  { name: 'Outcome', cell: (entry) => <Outcome of={entry} /> },
  { name: 'Model', cell: ({ model }) => model ?? '' },
  {
    name: 'Key',
    cell: ({ api_key_name: name, api_key_id: id, user_name: person }) => (
      <>
        {name ?? id ?? ''}
        {person && (
          <Text size="xs" c="dimmed">
            {person}
          </Text>
        )}
      </>
    ),
  },
  { name: 'Tokens', align: 'right', cell: ({ tokens }) => tokensOf(tokens) },
  {
    name: 'Cost',
    align: 'right',
    cell: ({ tokens, cost_usd: cost }) => (tokens ? <Money amount={cost} /> : ''),
  },
  {
    name: 'Took',
    align: 'right',
    cell: ({ duration_ms: duration, first_output_ms: first }) => (
      <>
        {durationOf(duration)}
        {typeof first === 'number' && (
          <Text size="xs" c="dimmed">
            first after {durationOf(first)}
          </Text>
        )}
      </>
    ),
  },
];

/** The requests that are looked at; while it is live, new ones come in above. */
export function List({ look }: { look: Look }) {
  const logs = useLogs(look);
  const first = logs.data?.pages[0] as { follow?: string; not_kept?: number } | undefined;
  const followed = useFollowed(look, first?.follow);
  const hasFilter = Object.keys(look.filter).length > 0;
  const empty = hasFilter ? (
    <Empty title="No request is like that" text="Take a filter away, or look at a longer time." />
  ) : (
    <Empty
      title="No requests in this time"
      text="Calls appear here within seconds: those that were answered, and those that were refused."
    />
  );
  const table = (rows: Entry[]) => (
    <DataTable label="Requests" columns={COLUMNS} rows={rows} keyOf={({ id }) => id} />
  );
  return (
    <>
      {followed.length > 0 && logs.data?.pages[0]?.data.length === 0 && table(followed)}
      <Paged query={logs} empty={followed.length > 0 ? null : empty}>
        {(rows) => table(merged(followed, rows))}
      </Paged>
      {Boolean(first?.not_kept) && (
        <Text size="sm" c="dimmed">
          {first?.not_kept?.toLocaleString()} more were refused in this time and are only counted:
          there were too many in their minute.
        </Text>
      )}
    </>
  );
}
