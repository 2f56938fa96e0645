import { Button, Group, Select } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable } from '../../ui/DataTable';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { MOVEMENT_COLUMNS, MOVEMENTS } from './movementColumns';

type Movement = Schemas['BillingMovement'];

/** Everything that moved the balance; the address says of which kind. */
export function Movements() {
  const { kind }: { kind?: string } = useSearch({ strict: false });
  const navigate = useNavigate();
  const movements = usePaged<Movement>({
    key: ['billing', 'movements', kind],
    read: (place, signal) =>
      data(
        api.GET('/api/billing/movements', {
          params: { query: { limit: 50, order: 'desc', ...place, ...(kind && { kind }) } },
          signal,
        }),
      ),
  });
  return (
    <>
      <Group justify="space-between" align="flex-end">
        <Select
          label="Kind"
          placeholder="All"
          clearable
          data={Object.entries(MOVEMENTS).map(([value, label]) => ({ value, label }))}
          value={kind ?? null}
          onChange={(chosen) => {
            const search = (before: object) => ({ ...before, kind: chosen ?? undefined });
            void navigate({ to: '.', search });
          }}
        />
        <Button
          component="a"
          href="/api/billing/exports/movements"
          variant="default"
          leftSection={<IconDownload size={16} />}
        >
          Download CSV
        </Button>
      </Group>
      <Paged
        query={movements}
        empty={
          kind ? (
            <Empty title="None of this kind" text="Choose another kind, or all." />
          ) : (
            <Empty title="Nothing moved yet" text="Credit and usage appear here." />
          )
        }
      >
        {(rows) => (
          <DataTable
            label="Movements"
            columns={MOVEMENT_COLUMNS}
            rows={rows}
            keyOf={(row) => row.id}
          />
        )}
      </Paged>
    </>
  );
}
