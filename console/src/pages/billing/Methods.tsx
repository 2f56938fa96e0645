import { Badge, Button, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';

type Method = Schemas['BillingMethod'];

const WRITE = 'api.billing.write';

const refresh = () => queryClient.invalidateQueries({ queryKey: ['billing'] });

export function useMethods() {
  return useQuery({
    queryKey: ['billing', 'methods'],
    queryFn: ({ signal }) => data(api.GET('/api/billing/payment_methods', { signal })),
  });
}

/** As "Visa ending in 4242". */
export function cardName({ brand, last4 }: { brand: string; last4: string }): string {
  return `${brand.charAt(0).toUpperCase()}${brand.slice(1)} ending in ${last4}`;
}

const COLUMNS: Column<Method>[] = [
  {
    name: 'Card',
    cell: (method) => (
      <Text size="sm" component="span">
        {cardName(method)} {method.is_default && <Badge variant="light">default</Badge>}
      </Text>
    ),
  },
  {
    name: 'Expires',
    cell: (method) => `${String(method.exp_month).padStart(2, '0')}/${method.exp_year}`,
  },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Actions of={row} /> },
];

function Actions({ of: method }: { of: Method }) {
  const params = { path: { payment_method_id: method.id } };
  const prefer = useAction(async () => {
    await api.POST('/api/billing/payment_methods/{payment_method_id}', {
      params,
      body: { is_default: true },
    });
    await refresh();
  });
  const remove = useAction(async () => {
    await api.DELETE('/api/billing/payment_methods/{payment_method_id}', { params });
    await refresh();
  }, 'The card is removed.');
  if (!useMay(WRITE)) return null;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      {!method.is_default && (
        <Button
          variant="default"
          size="compact-sm"
          loading={prefer.isRunning}
          onClick={() => {
            prefer.run();
          }}
        >
          Make default
        </Button>
      )}
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        aria-label={`Remove ${cardName(method)}`}
        loading={remove.isRunning}
        onClick={() => {
          remove.run();
        }}
      >
        Remove
      </Button>
    </Group>
  );
}

/** The cards that are kept: their numbers are the payment provider's, never ours. */
export function Methods() {
  const methods = useMethods();
  const mayWrite = useMay(WRITE);
  const add = useAction(async () => {
    const setup = await data(api.POST('/api/billing/payment_methods'));
    if (setup.url) window.location.assign(setup.url);
  });
  return (
    <Card
      title="Cards"
      text="Kept by the payment provider. Farebox knows the brand and the last four digits."
      actions={
        mayWrite && (
          <Button
            variant="default"
            loading={add.isRunning}
            onClick={() => {
              add.run();
            }}
          >
            Add a card
          </Button>
        )
      }
    >
      <Answered query={methods}>
        {({ data: rows }) =>
          rows.length === 0 ? (
            <Text size="sm">No card is saved.</Text>
          ) : (
            <DataTable label="Cards" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
          )
        }
      </Answered>
    </Card>
  );
}
