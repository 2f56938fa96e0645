import { Anchor, Button, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { useMay } from '../../session/me';
import { DataTable, type Column } from '../../ui/DataTable';
import { FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { StateBadge } from '../../ui/StateBadge';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { kindsOf, nameOf, stateOf, type Endpoint } from './endpoint';
import { NewEndpoint } from './NewEndpoint';

const COLUMNS: Column<Endpoint>[] = [
  {
    name: 'Endpoint',
    cell: (endpoint) => (
      <div style={{ overflowWrap: 'anywhere' }}>
        <Anchor component={Link} to={`/alerts/endpoints/${endpoint.id}`} fw={550} size="sm">
          {nameOf(endpoint)}
        </Anchor>
        {endpoint.description && (
          <Text size="xs" c="dimmed">
            {endpoint.url}
          </Text>
        )}
      </div>
    ),
  },
  { name: 'Takes', cell: ({ type }) => (type === 'slack' ? 'Words for a chat' : 'Signed events') },
  { name: 'Alerts', cell: kindsOf },
  { name: 'State', cell: (endpoint) => <StateBadge state={stateOf(endpoint)} /> },
  { name: 'Since', cell: (endpoint) => <When at={endpoint.created_at} as="day" /> },
];

/** Where alerts go besides mails. */
export function Endpoints() {
  const [isMaking, making] = useDisclosure();
  const mayWrite = useMay('api.management.write');
  const endpoints = usePaged<Endpoint>({
    key: ['webhook-endpoints', 'list'],
    read: (place, signal) =>
      data(api.GET('/api/webhook_endpoints', { params: { query: { limit: 50, ...place } }, signal })),
  });
  return (
    <ListWith
      actions={
        mayWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
            Add an endpoint
          </Button>
        )
      }
    >
      <Paged
        query={endpoints}
        empty={
          <Empty
            title="No endpoints"
            text="Add one, and every alert is sent to your program or chat too: signed, and again until it is taken."
          />
        }
      >
        {(rows) => (
          <DataTable label="Endpoints" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Add an endpoint" size="lg">
        <NewEndpoint close={making.close} />
      </FormModal>
    </ListWith>
  );
}
