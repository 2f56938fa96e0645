import { Alert, Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { useMay } from '../../session/me';
import { Card } from '../../ui/Card';
import { Facts } from '../../ui/Facts';
import { Page } from '../../ui/Page';
import { StateBadge } from '../../ui/StateBadge';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { Deliveries } from './Deliveries';
import { kindsOf, nameOf, refreshEndpoints, stateOf, whyOff, type Endpoint } from './endpoint';
import { EndpointMenu } from './EndpointMenu';

/** One endpoint: what goes there, and what became of it. */
export default function EndpointPage() {
  const { id = '' }: { id?: string } = useParams({ strict: false });
  const endpoint = useQuery({
    queryKey: ['webhook-endpoints', 'one', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/webhook_endpoints/{endpoint_id}', {
          params: { path: { endpoint_id: id } },
          signal,
        }),
      ),
  });
  return <Answered query={endpoint}>{(found) => <Shown of={found} />}</Answered>;
}

function Shown({ of: endpoint }: { of: Endpoint }) {
  const mayWrite = useMay('api.management.write');
  const test = useAction(async () => {
    await api.POST('/api/webhook_endpoints/{endpoint_id}/test', {
      params: { path: { endpoint_id: endpoint.id } },
    });
    await refreshEndpoints();
  }, 'An event of the type “test” is on its way.');
  const earlier = endpoint.earlier_secret_expires_at;
  return (
    <Page
      title={nameOf(endpoint)}
      lead={endpoint.url}
      actions={
        mayWrite && (
          <>
            <Button
              variant="default"
              disabled={!endpoint.enabled}
              loading={test.isRunning}
              onClick={() => {
                test.run();
              }}
            >
              Send a test
            </Button>
            <EndpointMenu of={endpoint} />
          </>
        )
      }
    >
      <Standing of={endpoint} />
      <Card title="Endpoint">
        <Facts
          of={[
            ['State', <StateBadge key="state" state={stateOf(endpoint)} />],
            ['Takes', endpoint.type === 'slack' ? 'Words for a chat' : 'Signed events'],
            ['Alerts', kindsOf(endpoint)],
            ['Since', <When key="since" at={endpoint.created_at} as="day" />],
            ...(earlier
              ? [
                  ['The secret before signs until', <When key="old" at={earlier} as="minute" />] as [
                    string,
                    React.ReactNode,
                  ],
                ]
              : []),
          ]}
        />
      </Card>
      <Deliveries endpoint={endpoint} />
    </Page>
  );
}

function Standing({ of: endpoint }: { of: Endpoint }) {
  if (!endpoint.enabled) {
    return (
      <Alert color="yellow" icon={<IconAlertTriangle size={18} />} title="Switched off">
        {whyOff(endpoint)} <When at={endpoint.disabled_at} />. What happens meanwhile is not sent
        later; what was not taken before can be sent again once it is on.
      </Alert>
    );
  }
  if (!endpoint.failing_since) return null;
  return (
    <Alert color="red" icon={<IconAlertTriangle size={18} />} title="It takes nothing">
      It has not taken an event since <When at={endpoint.failing_since} as="minute" />. After five
      days it is switched off.
    </Alert>
  );
}
