import { Anchor, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Money } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { StateBadge } from '../../ui/StateBadge';

type Organization = Schemas['OperatorOrganization'];

const TYPING_MS = 300;

const COLUMNS: Column<Organization>[] = [
  {
    name: 'Name',
    cell: ({ id, name }) => (
      <Anchor component={Link} to={`/operator/organizations/${id}`} fw={550}>
        {name}
      </Anchor>
    ),
  },
  { name: 'State', cell: ({ state }) => <StateBadge state={state} /> },
  { name: 'Balance', align: 'right', cell: (row) => <Money amount={row.balance_usd} /> },
  { name: 'This month', align: 'right', cell: (row) => <Money amount={row.spent_this_month_usd} /> },
  { name: 'People', align: 'right', cell: (row) => row.member_count },
  { name: 'Since', cell: (row) => <When at={row.created_at} as="day" /> },
];

/** Every organization of the installation. */
export default function Organizations() {
  const [search, setSearch] = useState('');
  const [asked] = useDebouncedValue(search.trim(), TYPING_MS);
  const organizations = usePaged<Organization>({
    key: ['operator', 'organizations', asked],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/organizations', {
          params: { query: { limit: 50, ...place, ...(asked && { search: asked }) } },
          signal,
        }),
      ),
  });
  return (
    <Page title="Organizations" lead="Every organization of this installation.">
      <TextInput
        label="Search"
        placeholder="A name or an id"
        maw={320}
        value={search}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
        }}
      />
      <Paged query={organizations} empty={<Empty title="None" text="No organization is like that." />}>
        {(rows) => (
          <DataTable label="Organizations" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
    </Page>
  );
}
