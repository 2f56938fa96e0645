import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { messageOf } from '../../api/error';
import type { Schemas } from '../../api/types';
import { DataTable } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { secondsOf } from '../../ui/moment';
import { Money } from '../../ui/Money';
import { Problem } from '../../ui/Problem';
import { SignedMoney } from '../../ui/SignedMoney';
import { When } from '../../ui/When';
import { refreshOrganizations } from './organization';
import { basisPointsOf, percentOf } from './percent';
import { PREVIEW_SPANS, previewSpan } from './previews';

type Markup = Schemas['OrganizationMarkup'];

interface Values extends Record<string, unknown> {
  percent: string;
  model: string | null;
  effective: string;
  /** Which time the preview looks at; it is not sent. */
  span: string;
}

/** What the API takes of what was typed. */
const ruleOf = ({ percent, model }: Values) => ({
  basis_points: basisPointsOf(percent) ?? 0,
  ...(model && { model }),
});

interface NewMarkupProps {
  organization: { id: string; name: string };
  close: () => void;
}

/** Adds a markup, after a look at what it would have changed. */
export function NewMarkup({ organization, close }: NewMarkupProps) {
  const params = { path: { organization_id: organization.id } };
  const form = useApiForm<Values, Markup>({
    initialValues: { percent: '', model: null, effective: '', span: 'last' },
    fields: { basis_points: 'percent', effective_at: 'effective' },
    validate: {
      percent: (text) => (basisPointsOf(text) === null ? 'From -99.99 to 1000 per cent.' : null),
    },
    said: 'In the rules.',
    send: (values) =>
      data(
        api.POST('/api/operator/organizations/{organization_id}/markups', {
          params,
          body: { ...ruleOf(values), effective_at: secondsOf(values.effective) ?? null },
        }),
      ),
    onSent: async () => {
      await refreshOrganizations();
      close();
    },
  });
  const preview = useMutation({
    mutationFn: (values: Values) =>
      data(
        api.POST('/api/operator/organizations/{organization_id}/markup_previews', {
          params,
          body: { ...ruleOf(values), ...previewSpan(values.span) },
        }),
      ),
  });
  const look = () => {
    if (!form.form.validate().hasErrors) preview.mutate(form.form.values);
  };
  return (
    <FormBody of={form} action="Add" close={close}>
      <Fields form={form.form} />
      <Group align="flex-end">
        <Select
          label="Look at"
          data={PREVIEW_SPANS}
          allowDeselect={false}
          {...form.form.getInputProps('span')}
        />
        <Button variant="default" loading={preview.isPending} onClick={look}>
          What would it change?
        </Button>
      </Group>
      <Problem text={preview.isError ? messageOf(preview.error) : null} />
      {preview.data && <Preview of={preview.data} name={organization.name} />}
    </FormBody>
  );
}

type Form = ReturnType<typeof useApiForm<Values, Markup>>['form'];

function Fields({ form }: { form: Form }) {
  const models = useQuery({
    queryKey: ['operator', 'models', 'choice'],
    queryFn: ({ signal }) =>
      data(api.GET('/api/operator/models', { params: { query: { limit: 100 } }, signal })),
  });
  return (
    <>
      <Group grow align="flex-start">
        <TextInput
          label="Per cent"
          description="On each unit price; below 0 is a discount."
          placeholder="12.5"
          inputMode="text"
          data-autofocus
          {...form.getInputProps('percent')}
        />
        <TextInput
          label="In force from"
          description="Empty: at once."
          type="datetime-local"
          {...form.getInputProps('effective')}
        />
      </Group>
      <Select
        label="Model"
        placeholder="Every model without a rule of its own"
        clearable
        searchable
        data={(models.data?.data ?? []).map(({ id }) => id)}
        {...form.getInputProps('model')}
      />
    </>
  );
}

interface PreviewProps {
  of: Schemas['MarkupPreview'];
  name: string;
}

function Preview({ of: preview, name }: PreviewProps) {
  if (preview.requests === 0) {
    return (
      <Text size="sm" role="status">
        {name} used nothing in that time that the rule would be for.
      </Text>
    );
  }
  return (
    <Stack gap="sm" role="status">
      <Text size="sm">
        With {percentOf(preview.basis_points)}, {name} would have paid{' '}
        <b>
          <Money amount={preview.proposed_usd} />
        </b>{' '}
        instead of <Money amount={preview.billed_usd} />{' '}
        <b>
          (<SignedMoney amount={preview.difference_usd} />)
        </b>{' '}
        for {preview.requests.toLocaleString()} requests from{' '}
        <When at={preview.start_time} as="day" /> to <When at={preview.end_time - 1} as="day" />
        {preview.is_exact ? '.' : ', going by the sums of each day.'}
      </Text>
      <DataTable
        label="Models that it changes"
        rows={preview.models}
        keyOf={({ model }) => model}
        columns={[
          { name: 'Model', cell: ({ model }) => model },
          { name: 'Requests', align: 'right', cell: (row) => row.requests.toLocaleString() },
          { name: 'Paid', align: 'right', cell: (row) => <Money amount={row.billed_usd} /> },
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
