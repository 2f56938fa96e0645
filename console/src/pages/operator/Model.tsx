import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useRouterState } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { messageOf } from '../../api/error';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable, type Column } from '../../ui/DataTable';
import { Facts } from '../../ui/Facts';
import { useApiForm } from '../../ui/form';
import { secondsOf } from '../../ui/moment';
import { Money, UnitPrice } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Problem } from '../../ui/Problem';
import { Answered, Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { amountProblem } from '../limits/amount';
import { refreshModels } from './Models';
import { SignedMoney } from '../../ui/SignedMoney';
import { StateBadge } from '../../ui/StateBadge';

type Price = Schemas['Price'];

const PLACE = '/operator/model/';

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
            <Facts
              of={found.deployments.map(({ upstream_id: upstream, model: name, weight }) => [
                `${upstream} (weight ${weight})`,
                name,
              ])}
            />
          </Card>
          <NewPrice model={found} />
          <Prices model={found.id} />
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

interface Values extends Record<string, unknown> {
  input: string;
  cached_input: string;
  output: string;
  cost_input: string;
  cost_output: string;
  effective: string;
}

/** What the API takes of what was typed. */
function stated(values: Values) {
  const cached = values.cached_input.trim();
  const hasCost = values.cost_input.trim() !== '' && values.cost_output.trim() !== '';
  return {
    price: {
      input: values.input.trim(),
      output: values.output.trim(),
      ...(cached && { cached_input: cached }),
    },
    ...(hasCost && {
      cost: { input: values.cost_input.trim(), output: values.cost_output.trim() },
    }),
  };
}

function NewPrice({ model }: { model: Schemas['OperatorModel'] }) {
  const path = { model_id: model.id };
  const now = model.price;
  const form = useApiForm<Values, Price>({
    initialValues: {
      input: now?.price.input ?? '',
      cached_input: now?.price.cached_input ?? '',
      output: now?.price.output ?? '',
      cost_input: now?.cost.input ?? '',
      cost_output: now?.cost.output ?? '',
      effective: '',
    },
    fields: { price: 'input', cost: 'cost_input', effective_at: 'effective' },
    validate: { input: amountProblem, output: amountProblem },
    said: 'It is in the price book.',
    send: (values) =>
      data(
        api.POST('/api/operator/models/{model_id}/prices', {
          params: { path },
          body: {
            ...stated(values),
            effective_at: secondsOf(values.effective) ?? null,
          },
        }),
      ),
    onSent: refreshModels,
  });
  const preview = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/operator/models/{model_id}/price_previews', {
          params: { path },
          body: stated(form.form.values),
        }),
      ),
  });
  const { getInputProps } = form.form;
  return (
    <Card title="Another price" text="USD for a million tokens.">
      <form onSubmit={form.submit} noValidate>
        <Stack gap="md">
          <Group>
            <TextInput label="Input" inputMode="decimal" {...getInputProps('input')} />
            <TextInput label="Cached input" inputMode="decimal" {...getInputProps('cached_input')} />
            <TextInput label="Output" inputMode="decimal" {...getInputProps('output')} />
          </Group>
          <Group>
            <TextInput label="Costs us, input" inputMode="decimal" {...getInputProps('cost_input')} />
            <TextInput
              label="Costs us, output"
              inputMode="decimal"
              {...getInputProps('cost_output')}
            />
            <TextInput
              label="In force from (empty: now)"
              type="datetime-local"
              {...getInputProps('effective')}
            />
          </Group>
          <Problem text={form.problem} />
          <Group>
            <Button
              variant="default"
              loading={preview.isPending}
              onClick={() => {
                preview.mutate();
              }}
            >
              What would it change?
            </Button>
            <Button type="submit" loading={form.isSending}>
              Put it into the book
            </Button>
          </Group>
          <Problem text={preview.isError ? messageOf(preview.error) : null} />
          {preview.data && <Preview of={preview.data} />}
        </Stack>
      </form>
    </Card>
  );
}

function Preview({ of: preview }: { of: Schemas['PricePreview'] }) {
  const { total, organizations } = preview;
  return (
    <Stack gap="sm" role="status">
      <Text size="sm">
        Of <When at={preview.start_time} as="day" /> to <When at={preview.end_time} as="day" />:{' '}
        {total.requests.toLocaleString()} requests of {total.organizations} organizations, billed{' '}
        <Money amount={total.billed_usd} />, would be <Money amount={total.proposed_usd} /> (
        <SignedMoney amount={total.difference_usd} />).
      </Text>
      <DataTable
        label="Organizations that it changes"
        rows={organizations.data}
        keyOf={(row) => row.id}
        columns={[
          { name: 'Organization', cell: (row) => row.name },
          { name: 'Billed', align: 'right', cell: (row) => <Money amount={row.billed_usd} /> },
          { name: 'Would be', align: 'right', cell: (row) => <Money amount={row.proposed_usd} /> },
          {
            name: 'Difference',
            align: 'right',
            cell: (row) => <SignedMoney amount={row.difference_usd} />,
          },
        ]}
      />
    </Stack>
  );
}
