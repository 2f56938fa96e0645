import { Button, NumberInput, Select } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { useModels } from '../../session/models';
import { useProject } from '../../session/project';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { ScopeFields, scopeOf, scopeRules, WHOLE } from './ScopeFields';
import { ScopeName } from './ScopeName';

type Rate = Schemas['RateLimit'];

const WRITE = 'api.organization.projects.rate_limits.write';

const refresh = () => queryClient.invalidateQueries({ queryKey: ['rates'] });

const count = (number: number | null | undefined) => number?.toLocaleString() ?? '';

const COLUMNS: Column<Rate>[] = [
  { name: 'On', cell: ({ scope }) => <ScopeName scope={scope} /> },
  { name: 'Model', cell: ({ model }) => model ?? 'Every model' },
  { name: 'Requests a minute', align: 'right', cell: (rate) => count(rate.requests_per_minute) },
  { name: 'Tokens a minute', align: 'right', cell: (rate) => count(rate.tokens_per_minute) },
  { name: 'Requests a day', align: 'right', cell: (rate) => count(rate.requests_per_day) },
  { name: 'At the same time', align: 'right', cell: (rate) => count(rate.concurrent_requests) },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Delete of={row} /> },
];

function Delete({ of: rate }: { of: Rate }) {
  const remove = useAction(async () => {
    await api.DELETE('/api/rate_limits', {
      params: {
        query: {
          scope_type: rate.scope.type,
          scope_id: rate.scope.id,
          ...(rate.model && { model: rate.model }),
        },
      },
    });
    await refresh();
  }, 'The limit is gone.');
  if (!useMay(WRITE)) return null;
  return (
    <Button
      variant="subtle"
      color="red"
      size="compact-sm"
      loading={remove.isRunning}
      onClick={() => {
        remove.run();
      }}
    >
      Delete
    </Button>
  );
}

/** Rules on requests and tokens over short windows. */
export function Rates() {
  const [isMaking, making] = useDisclosure();
  const mayWrite = useMay(WRITE);
  const rates = usePaged<Rate>({
    key: ['rates'],
    read: (place, signal) =>
      data(api.GET('/api/rate_limits', { params: { query: { limit: 50, ...place } }, signal })),
  });
  return (
    <ListWith
      actions={
        mayWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
            Make a rate limit
          </Button>
        )
      }
    >
      <Paged
        query={rates}
        empty={
          <Empty
            title="No rate limits of your own"
            text="Every project has the installation’s limits, model by model, until a rule says less."
          />
        }
      >
        {(rows) => (
          <DataTable label="Rate limits" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make a rate limit">
        <NewRate close={making.close} />
      </FormModal>
    </ListWith>
  );
}

const FIELDS = [
  ['requests_per_minute', 'Requests a minute'],
  ['tokens_per_minute', 'Tokens a minute'],
  ['requests_per_day', 'Requests a day'],
  ['concurrent_requests', 'Requests at the same time'],
] as const;

function NewRate({ close }: { close: () => void }) {
  const models = useModels(useProject());
  const form = useApiForm({
    initialValues: {
      ...WHOLE,
      model: '',
      requests_per_minute: '',
      tokens_per_minute: '',
      requests_per_day: '',
      concurrent_requests: '',
    },
    validate: scopeRules,
    send: (values) => {
      const limits = FIELDS.flatMap(([field]) => {
        const value = values[field];
        return value === '' ? [] : [[field, value] as const];
      });
      return data(
        api.POST('/api/rate_limits', {
          body: {
            scope: scopeOf(values),
            ...(values.model && { model: values.model }),
            ...Object.fromEntries(limits),
          },
        }),
      );
    },
    said: 'In force from the next call on.',
    onSent: async () => {
      await refresh();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Make" close={close}>
      <ScopeFields form={form.form} />
      <Select
        label="Model"
        placeholder="Every model"
        clearable
        data={models.data ?? []}
        {...getInputProps('model')}
      />
      {FIELDS.map(([field, label]) => (
        <NumberInput
          key={field}
          label={label}
          placeholder="No limit"
          min={0}
          allowDecimal={false}
          thousandSeparator=","
          {...getInputProps(field)}
        />
      ))}
    </FormBody>
  );
}
