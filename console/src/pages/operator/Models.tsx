import { Anchor, Switch, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { UnitPrice } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';

type Model = Schemas['OperatorModel'];

const PROBLEMS: Record<Schemas['ModelProblem'], string> = {
  disabled: 'Switched off',
  not_priced: 'No price in force',
  upstreams_failing: 'Its upstreams fail',
};

export const refreshModels = () => queryClient.invalidateQueries({ queryKey: ['operator', 'models'] });

const COLUMNS: Column<Model>[] = [
  {
    name: 'Model',
    cell: ({ id }) => (
      <Anchor component={Link} to={`/operator/model/${id}`} fw={550}>
        {id}
      </Anchor>
    ),
  },
  {
    name: 'Input, a million',
    align: 'right',
    cell: ({ price }) => (price ? <UnitPrice amount={price.price.input} /> : ''),
  },
  {
    name: 'Output, a million',
    align: 'right',
    cell: ({ price }) => (price ? <UnitPrice amount={price.price.output} /> : ''),
  },
  {
    name: 'Can be called',
    cell: (model) => (
      <Text size="sm" c={model.is_callable ? 'var(--farebox-good)' : 'var(--farebox-bad)'}>
        {model.is_callable ? 'Yes' : model.problems.map((problem) => PROBLEMS[problem]).join(', ')}
      </Text>
    ),
  },
  { name: 'On', cell: (model) => <OnOff of={model} /> },
];

function OnOff({ of: model }: { of: Model }) {
  const set = useAction(async (isEnabled: boolean) => {
    await api.POST('/api/operator/models/{model_id}', {
      params: { path: { model_id: model.id } },
      body: { is_enabled: isEnabled },
    });
    await refreshModels();
  });
  return (
    <Switch
      checked={model.is_enabled}
      disabled={set.isRunning}
      aria-label={`${model.id} can be called`}
      onChange={(event) => {
        set.run(event.currentTarget.checked);
      }}
    />
  );
}

/** What can be called, at which price. */
export default function Models() {
  const models = usePaged<Model>({
    key: ['operator', 'models'],
    read: (place, signal) =>
      data(api.GET('/api/operator/models', { params: { query: { limit: 50, ...place } }, signal })),
  });
  return (
    <Page
      title="Models and prices"
      lead="Models come from farebox.toml; prices from there, or from here with a date."
    >
      <Paged
        query={models}
        empty={<Empty title="No models" text="Add [[models]] to farebox.toml." />}
      >
        {(rows) => <DataTable label="Models" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
    </Page>
  );
}
