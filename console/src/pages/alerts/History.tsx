import { Code, Stack } from '@mantine/core';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Detail, DetailLink, useDetail } from '../../ui/Detail';
import { Facts } from '../../ui/Facts';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { kindName, sentenceOf } from './kinds';

type Alert = Schemas['Alert'];

const REFRESH_MS = 10_000;

const COLUMNS: Column<Alert>[] = [
  {
    name: 'Alert',
    cell: ({ id, kind }) => (
      <DetailLink name="alert" id={id}>
        {kindName(kind)}
      </DetailLink>
    ),
  },
  { name: 'What happened', cell: ({ kind, data: facts }) => sentenceOf(kind, facts) },
  { name: 'When', cell: (alert) => <When at={alert.created_at} /> },
];

/** What the organization was told of, each once for its cause. */
export function History() {
  const shown = useDetail('alert');
  const alerts = usePaged<Alert>({
    key: ['alerts'],
    every: REFRESH_MS,
    read: (place, signal) =>
      data(
        api.GET('/api/alerts', {
          params: { query: { limit: 50, order: 'desc', ...place } },
          signal,
        }),
      ),
  });
  return (
    <Paged
      query={alerts}
      empty={
        <Empty
          title="Nothing was told yet"
          text="Budgets that fill up, a balance that runs low, cards that are declined, keys that leak: all of it appears here."
        />
      }
    >
      {(rows) => {
        const alert = rows.find(({ id }) => id === shown.id);
        return (
          <>
            <DataTable label="Alerts" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
            <Detail
              isOpen={alert !== undefined}
              close={shown.close}
              title={alert && kindName(alert.kind)}
            >
              {alert && <One of={alert} />}
            </Detail>
          </>
        );
      }}
    </Paged>
  );
}

function One({ of: alert }: { of: Alert }) {
  return (
    <Stack gap="md">
      <Facts
        of={[
          ['When', <When key="when" at={alert.created_at} as="minute" />],
          ['Id, also of its events', <Code key="id">{alert.id}</Code>],
        ]}
      />
      <Code block tabIndex={0} aria-label="Its facts">
        {JSON.stringify(alert.data, null, 2)}
      </Code>
    </Stack>
  );
}
