import { Badge, Button, Group, Progress, Select, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Money } from '../../ui/Money';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { amountProblem } from './amount';
import { ScopeFields, scopeOf, scopeRules, WHOLE, type ScopeValues } from './ScopeFields';
import { ScopeName } from './ScopeName';
import { WINDOWS, windowName } from './windows';

type Budget = Schemas['Budget'];

const FORCES = [
  { value: 'hard', label: 'Hard: refuse what does not fit' },
  { value: 'soft', label: 'Soft: only tell' },
];
const REFRESH_MS = 5_000;
const WRITE = 'api.organization.projects.rate_limits.write';

const refresh = () => queryClient.invalidateQueries({ queryKey: ['budgets'] });

const COLUMNS: Column<Budget>[] = [
  { name: 'On', cell: ({ scope }) => <ScopeName scope={scope} /> },
  {
    name: 'Limit',
    cell: (budget) => (
      <Text size="sm" component="span">
        <Money amount={budget.limit_usd} /> {windowName(budget.window)}{' '}
        <Badge variant="light" tt="none" color={budget.force === 'hard' ? 'red' : 'yellow'}>
          {budget.force}
        </Badge>
      </Text>
    ),
  },
  { name: 'Spent and held', cell: (budget) => <Standing of={budget} /> },
  { name: 'Begins anew', cell: (budget) => <When at={budget.standing.ends_at} never="Never" /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <Actions of={row} /> },
];

function Standing({ of: budget }: { of: Budget }) {
  const { spent_usd: spent, held_usd: held, is_enforcing: isEnforcing } = budget.standing;
  const limit = Number(budget.limit_usd);
  const share = limit > 0 ? (100 * (Number(spent) + Number(held))) / limit : 100;
  return (
    <div style={{ minInlineSize: '10rem' }}>
      <Text size="sm">
        <Money amount={spent} />
        {Number(held) > 0 && (
          <>
            {' '}
            + <Money amount={held} /> held
          </>
        )}
        {isEnforcing && (
          <Badge ml="xs" color="red" tt="none">
            Refusing
          </Badge>
        )}
      </Text>
      <Progress
        value={Math.min(100, share)}
        color={share >= 100 ? 'red' : share >= 80 ? 'yellow' : 'fare'}
        aria-label={`${Math.round(share)} per cent of the budget`}
      />
    </div>
  );
}

/** Money limits over calendar windows. */
export function Budgets() {
  const [isMaking, making] = useDisclosure();
  const mayWrite = useMay(WRITE);
  const budgets = usePaged<Budget>({
    key: ['budgets'],
    every: REFRESH_MS,
    read: (place, signal) =>
      data(api.GET('/api/budgets', { params: { query: { limit: 50, ...place } }, signal })),
  });
  return (
    <ListWith
      actions={
        mayWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
            Make a budget
          </Button>
        )
      }
    >
      <Paged
        query={budgets}
        empty={
          <Empty
            title="No budgets"
            text="The balance is the only limit on money. A budget limits a project or a key to less."
          />
        }
      >
        {(rows) => <DataTable label="Budgets" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make a budget">
        <NewBudget close={making.close} />
      </FormModal>
    </ListWith>
  );
}

interface NewBudgetValues extends ScopeValues {
  limit_usd: string;
  window: Schemas['BudgetWindow'];
  force: Schemas['BudgetForce'];
}

function NewBudget({ close }: { close: () => void }) {
  const form = useApiForm<NewBudgetValues, Budget>({
    initialValues: {
      ...WHOLE,
      limit_usd: '',
      window: 'month',
      force: 'hard',
    },
    validate: { limit_usd: amountProblem, ...scopeRules },
    send: (values) =>
      data(
        api.POST('/api/budgets', {
          body: {
            scope: scopeOf(values),
            limit_usd: values.limit_usd.trim(),
            window: values.window,
            force: values.force,
            thresholds: [80, 100],
          },
        }),
      ),
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
      <TextInput label="Limit in USD" inputMode="decimal" {...getInputProps('limit_usd')} />
      <Select label="For" data={WINDOWS} allowDeselect={false} {...getInputProps('window')} />
      <Select
        label="At the limit"
        description="Mails go out at 80 and 100 per cent."
        data={FORCES}
        allowDeselect={false}
        {...getInputProps('force')}
      />
    </FormBody>
  );
}

function Actions({ of: budget }: { of: Budget }) {
  const [doing, setDoing] = useState<'edit' | 'delete' | null>(null);
  const close = () => {
    setDoing(null);
  };
  const path = { budget_id: budget.id };
  if (!useMay(WRITE)) return null;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      <Button
        variant="default"
        size="compact-sm"
        onClick={() => {
          setDoing('edit');
        }}
      >
        Change
      </Button>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        onClick={() => {
          setDoing('delete');
        }}
      >
        Delete
      </Button>
      <FormModal isOpen={doing === 'edit'} close={close} title="Change the budget">
        <EditBudget of={budget} close={close} />
      </FormModal>
      <Confirm
        isOpen={doing === 'delete'}
        close={close}
        title="Delete this budget?"
        action="Delete budget"
        act={async () => {
          await api.DELETE('/api/budgets/{budget_id}', { params: { path } });
          await refresh();
        }}
      >
        Nothing is refused for it any more, from the next call on.
      </Confirm>
    </Group>
  );
}

function EditBudget({ of: budget, close }: { of: Budget; close: () => void }) {
  const form = useApiForm({
    initialValues: { limit_usd: budget.limit_usd, force: budget.force },
    validate: { limit_usd: amountProblem },
    send: (body) =>
      data(
        api.POST('/api/budgets/{budget_id}', {
          params: { path: { budget_id: budget.id } },
          body: { ...body, limit_usd: body.limit_usd.trim() },
        }),
      ),
    onSent: async () => {
      await refresh();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save" close={close}>
      <TextInput label="Limit in USD" inputMode="decimal" {...getInputProps('limit_usd')} />
      <Select label="At the limit" data={FORCES} allowDeselect={false} {...getInputProps('force')} />
    </FormBody>
  );
}
