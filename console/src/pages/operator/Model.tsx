import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useRouterState } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { UnitPrice } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Answered, Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { refreshModels } from './Models';
import { StateBadge } from '../../ui/StateBadge';
import { NewPrice } from './NewPrice';

type Price = Schemas['Price'];

const PLACE = '/operator/model/';

const DEPLOYMENTS: Column<Schemas['Deployment']>[] = [
  { name: 'Upstream', cell: ({ upstream_id: upstream }) => upstream },
  { name: 'Its name there', cell: ({ model }) => model },
  { name: 'Weight', align: 'right', cell: ({ weight }) => weight },
];

/** One model: where it runs, what it costs, and what another price would change. */
export default function Model() {
  // A model's name may have slashes: it is the rest of the address.
  const path = useRouterState({ select: (state) => state.location.pathname });
  const id = decodeURIComponent(path.slice(PLACE.length));
  const model = useQuery({
    queryKey: ['operator', 'models', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/models/{model_id}', { params: { path: { model_id: id } }, signal }),
      ),
  });
  return (
    <Answered query={model}>
      {(found) => (
        <Page title={found.id} lead={`${found.context_tokens.toLocaleString()} tokens of context`}>
          <Card title="Where it runs">
            <DataTable
              label="Where it runs"
              columns={DEPLOYMENTS}
              rows={found.deployments}
              keyOf={({ upstream_id: upstream, model: name }) => `${upstream} ${name}`}
            />
          </Card>
          <Prices model={found.id} />
          <NewPrice model={found} />
        </Page>
      )}
    </Answered>
  );
}

function Prices({ model }: { model: string }) {
  const prices = usePaged<Price>({
    key: ['operator', 'models', model, 'prices'],
    read: (place, signal) =>
      data(
        api.GET('/api/operator/models/{model_id}/prices', {
          params: { path: { model_id: model }, query: { limit: 50, ...place } },
          signal,
        }),
      ),
  });
  const withdraw = useAction(async (price: string) => {
    await api.DELETE('/api/operator/models/{model_id}/prices/{price_id}', {
      params: { path: { model_id: model, price_id: price } },
    });
    await refreshModels();
  }, 'It is withdrawn.');
  const columns: Column<Price>[] = [
    { name: 'From', cell: (price) => <When at={price.effective_at} as="minute" /> },
    { name: 'State', cell: ({ state }) => <StateBadge state={state} /> },
    { name: 'Input', align: 'right', cell: ({ price }) => <UnitPrice amount={price.input} /> },
    { name: 'Cached', align: 'right', cell: ({ price }) => <UnitPrice amount={price.cached_input} /> },
    { name: 'Output', align: 'right', cell: ({ price }) => <UnitPrice amount={price.output} /> },
    { name: 'Costs us, input', align: 'right', cell: ({ cost }) => <UnitPrice amount={cost.input} /> },
    { name: 'Costs us, output', align: 'right', cell: ({ cost }) => <UnitPrice amount={cost.output} /> },
    { name: 'By', cell: ({ source }) => source },
    {
      name: 'Actions',
      isNameHidden: true,
      align: 'right',
      cell: (price) =>
        price.effective_at * 1_000 > Date.now() && !price.withdrawn_at ? (
          <Button
            variant="subtle"
            color="red"
            size="compact-sm"
            onClick={() => {
              withdraw.run(price.id);
            }}
          >
            Withdraw
          </Button>
        ) : null,
    },
  ];
  return (
    <Card title="Price book" text="USD for a million tokens. Entries are never changed.">
      <Paged query={prices} empty={<Empty title="No price" text="Without one, calls are refused." />}>
        {(rows) => (
          <DataTable label="Prices" columns={columns} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
    </Card>
  );
}
