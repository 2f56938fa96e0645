import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { messageOf } from '../../api/error';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { secondsOf } from '../../ui/moment';
import { Money } from '../../ui/Money';
import { Problem } from '../../ui/Problem';
import { SignedMoney } from '../../ui/SignedMoney';
import { When } from '../../ui/When';
import { amountProblem } from '../limits/amount';
import { refreshModels } from './Models';
import classes from './NewPrice.module.css';
import { PREVIEW_SPANS, previewSpan } from './previews';

interface Values extends Record<string, unknown> {
  input: string;
  cached_input: string;
  output: string;
  cost_input: string;
  cost_output: string;
  effective: string;
  /** Which time the preview looks at; it is not sent. */
  span: string;
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

/** Puts another price into the book, after a look at what it would have changed. */
export function NewPrice({ model }: { model: Schemas['OperatorModel'] }) {
  const path = { model_id: model.id };
  const now = model.price;
  const form = useApiForm<Values, Schemas['Price']>({
    initialValues: {
      input: now?.price.input ?? '',
      cached_input: now?.price.cached_input ?? '',
      output: now?.price.output ?? '',
      cost_input: now?.cost.input ?? '',
      cost_output: now?.cost.output ?? '',
      effective: '',
      span: 'last',
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
          body: { ...stated(form.form.values), ...previewSpan(form.form.values.span) },
        }),
      ),
  });
  const { getInputProps } = form.form;
  return (
    <Card title="Another price" text="USD for a million tokens.">
      <form onSubmit={form.submit} noValidate>
        <Stack gap="md">
          <div className={classes.amounts}>
            <TextInput label="Input" inputMode="decimal" {...getInputProps('input')} />
            <TextInput label="Cached input" inputMode="decimal" {...getInputProps('cached_input')} />
            <TextInput label="Output" inputMode="decimal" {...getInputProps('output')} />
            <TextInput label="Costs us, input" inputMode="decimal" {...getInputProps('cost_input')} />
            <TextInput
              label="Costs us, output"
              inputMode="decimal"
              {...getInputProps('cost_output')}
            />
            <TextInput
              label="In force from"
              description="Empty: at once."
              type="datetime-local"
              inputWrapperOrder={['label', 'input', 'error', 'description']}
              {...getInputProps('effective')}
            />
          </div>
          <Problem text={form.problem} />
          <Group align="flex-end">
            <Select
              label="Look at"
              data={PREVIEW_SPANS}
              allowDeselect={false}
              {...getInputProps('span')}
            />
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
  if (total.requests === 0) {
    return (
      <Text size="sm" role="status">
        Nobody used the model in that time.
      </Text>
    );
  }
  return (
    <Stack gap="sm" role="status">
      <Text size="sm">
        {total.requests.toLocaleString()} requests of {total.organizations.toLocaleString()}{' '}
        organizations, from <When at={preview.start_time} as="day" /> to{' '}
        <When at={preview.end_time - 1} as="day" />, were billed <Money amount={total.billed_usd} />.
        With this price they would have paid <Money amount={total.proposed_usd} />{' '}
        <b>
          (<SignedMoney amount={total.difference_usd} />)
        </b>
        .
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
