import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable } from '../../ui/DataTable';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { MOVEMENT_COLUMNS } from '../billing/movementColumns';

/** What moved on an organization's wallet, as its own people see it. */
export function OrganizationMovements({ organization }: { organization: string }) {
  const movements = usePaged<Schemas['BillingMovement']>({
    key: ['operator', 'organizations', 'movements', organization],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/organizations/{organization_id}/movements', {
          params: {
            path: { organization_id: organization },
            query: { limit: 20, order: 'desc', ...place },
          },
          signal,
        }),
      ),
  });
  return (
    <Card title="Movements" text="As its own people see them.">
      <Paged
        query={movements}
        empty={<Empty title="Nothing moved yet" text="Credit and usage appear here." />}
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
    </Card>
  );
}
