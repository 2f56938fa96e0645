import { Anchor, Group } from '@mantine/core';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';

type Receipt = Schemas['BillingReceipt'];

interface PapersProps {
  html: string;
  pdf: string;
  name: string;
}

/** The same paper as a page and as a file. */
export function Papers({ html, pdf, name }: PapersProps) {
  return (
    <Group gap="sm" justify="flex-end" wrap="nowrap">
      <Anchor href={html} target="_blank" size="sm" aria-label={`View ${name}`}>
        View
      </Anchor>
      <Anchor href={pdf} size="sm" aria-label={`PDF of ${name}`}>
        PDF
      </Anchor>
    </Group>
  );
}

const COLUMNS: Column<Receipt>[] = [
  { name: 'Number', cell: ({ id }) => id },
  { name: 'What', cell: ({ kind }) => (kind === 'credit_note' ? 'Credit note' : 'Receipt') },
  { name: 'Issued', cell: (receipt) => <When at={receipt.created_at} as="day" /> },
  { name: 'Total', align: 'right', cell: (receipt) => <Money amount={receipt.total_usd} /> },
  {
    name: 'Papers',
    isNameHidden: true,
    align: 'right',
    cell: ({ id, html_url: html, pdf_url: pdf }) => <Papers html={html} pdf={pdf} name={id} />,
  },
];

/** A paper for every purchase and refund. */
export function Receipts() {
  const receipts = usePaged<Receipt>({
    key: ['billing', 'receipts'],
    read: (place, signal) =>
      data(api.GET('/api/billing/receipts', { params: { query: { limit: 20, ...place } }, signal })),
  });
  return (
    <Card title="Receipts" text="One for each purchase and each refund; they never change.">
      <Paged
        query={receipts}
        empty={<Empty title="No receipts yet" text="Buy credit, and one is issued and mailed." />}
      >
        {(rows) => (
          <DataTable label="Receipts" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
    </Card>
  );
}
