import { Code } from '@mantine/core';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Detail, DetailLink, useDetail } from '../../ui/Detail';
import { Paged } from '../../ui/Paged';
import { StateBadge } from '../../ui/StateBadge';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { Delivery } from './Delivery';
import type { Endpoint } from './endpoint';
import { kindName } from './kinds';

type Sent = Schemas['WebhookDelivery'];

const REFRESH_MS = 3_000;

const COLUMNS: Column<Sent>[] = [
  {
    name: 'Event',
    cell: ({ id, event_type: type }) => (
      <DetailLink name="delivery" id={id}>
        {kindName(type)}
      </DetailLink>
    ),
  },
  { name: 'State', cell: ({ status }) => <StateBadge state={status} /> },
  { name: 'Tries', align: 'right', cell: ({ attempts }) => attempts },
  {
    name: 'Last answer',
    align: 'right',
    cell: ({ attempts, last_response_status: status }) =>
      status ? <Code>{status}</Code> : attempts > 0 ? 'None' : '',
  },
  { name: 'Happened', cell: (sent) => <When at={sent.created_at} /> },
];

/** What was sent to an endpoint, or is to be. */
export function Deliveries({ endpoint }: { endpoint: Endpoint }) {
  const shown = useDetail('delivery');
  const deliveries = usePaged<Sent>({
    key: ['webhook-endpoints', 'deliveries', endpoint.id],
    every: REFRESH_MS,
    read: (place, signal) =>
      data(
        api.GET('/api/webhook_endpoints/{endpoint_id}/deliveries', {
          params: { path: { endpoint_id: endpoint.id }, query: { limit: 50, order: 'desc', ...place } },
          signal,
        }),
      ),
  });
  return (
    <Card title="Deliveries" text="Kept for 30 days. What is not taken is tried for about a day.">
      <Paged
        query={deliveries}
        empty={<Empty title="Nothing was sent yet" text="Send a test to see how one looks." />}
      >
        {(rows) => (
          <DataTable label="Deliveries" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <Detail isOpen={shown.id !== undefined} close={shown.close} title="Delivery">
        {shown.id !== undefined && <Delivery endpoint={endpoint} id={shown.id} />}
      </Detail>
    </Card>
  );
}
