import { Button } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { DataTable, type Column } from '../../ui/DataTable';
import { Detail, DetailLink, useDetail } from '../../ui/Detail';
import { FormModal } from '../../ui/FormModal';
import { Money } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { StateBadge } from '../../ui/StateBadge';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { CodeBatch } from './CodeBatch';
import { CODES, type Batch } from './codes';
import { NewCodes } from './NewCodes';

const COLUMNS: Column<Batch>[] = [
  {
    name: 'For',
    cell: ({ id, note }) => (
      <DetailLink name="batch" id={id}>
        {note}
      </DetailLink>
    ),
  },
  { name: 'State', cell: ({ state }) => <StateBadge state={state} /> },
  { name: 'Each use gives', align: 'right', cell: (batch) => <Money amount={batch.amount_usd} /> },
  { name: 'Codes', align: 'right', cell: (batch) => batch.code_count.toLocaleString() },
  {
    name: 'Used',
    align: 'right',
    cell: (batch) =>
      `${batch.use_count.toLocaleString()} of ${(batch.code_count * batch.max_uses).toLocaleString()}`,
  },
  { name: 'Until', cell: (batch) => <When at={batch.expires_at} as="day" never="No end" /> },
  { name: 'Made', cell: (batch) => <When at={batch.created_at} as="day" /> },
];

/** Codes that people exchange for credit, in batches. */
export default function Codes() {
  const [isMaking, making] = useDisclosure();
  const shown = useDetail('batch');
  const batches = usePaged<Batch>({
    key: [...CODES, 'list'],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/code_batches', {
          params: { query: { limit: 50, order: 'desc', ...place } },
          signal,
        }),
      ),
  });
  return (
    <Page
      title="Redeem codes"
      lead="Whoever redeems one gets its credit, for their organization, at once."
      actions={
        <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
          Make codes
        </Button>
      }
    >
      <Paged
        query={batches}
        empty={
          <Empty title="No codes" text="Make some for a workshop, a partner or somebody who was let down." />
        }
      >
        {(rows) => (
          <DataTable label="Batches of codes" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make codes" size="lg">
        <NewCodes close={making.close} />
      </FormModal>
      <Detail isOpen={shown.id !== undefined} close={shown.close} title="Batch of codes">
        {shown.id !== undefined && <CodeBatch id={shown.id} />}
      </Detail>
    </Page>
  );
}
