import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { attemptKey } from '../../api/attempt';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Money } from '../../ui/Money';
import { Page } from '../../ui/Page';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { amountProblem } from '../limits/amount';
import { Facts } from '../../ui/Facts';
import { StateBadge } from '../../ui/StateBadge';
import { CreditLine } from './CreditLine';
import { Markups } from './Markups';
import { OrganizationMovements } from './OrganizationMovements';
import { refreshOrganizations } from './organization';

type Detail = Schemas['OperatorOrganizationDetail'];

/** One organization, as the operator sees it: money, people, and whether it is served. */
export default function Organization() {
  const { id = '' }: { id?: string } = useParams({ strict: false });
  const organization = useQuery({
    queryKey: ['operator', 'organizations', 'one', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/organizations/{organization_id}', {
          params: { path: { organization_id: id } },
          signal,
        }),
      ),
  });
  return <Answered query={organization}>{(found) => <Parts of={found} />}</Answered>;
}

function Parts({ of: organization }: { of: Detail }) {
  const [doing, setDoing] = useState<'credit' | 'take' | 'suspend' | null>(null);
  const close = () => {
    setDoing(null);
  };
  const resume = useAction(async () => {
    await api.POST('/api/operator/organizations/{organization_id}/resume', {
      params: { path: { organization_id: organization.id } },
    });
    await refreshOrganizations();
  }, 'It is served again.');
  const isActive = organization.state === 'active';
  return (
    <Page
      title={organization.name}
      lead={organization.id}
      actions={
        <>
          <Button
            onClick={() => {
              setDoing('credit');
            }}
          >
            Give credit
          </Button>
          <Button
            variant="default"
            onClick={() => {
              setDoing('take');
            }}
          >
            Take credit back
          </Button>
          {isActive ? (
            <Button
              color="red"
              variant="light"
              onClick={() => {
                setDoing('suspend');
              }}
            >
              Suspend
            </Button>
          ) : (
            <Button
              variant="default"
              loading={resume.isRunning}
              onClick={() => {
                resume.run();
              }}
            >
              Resume
            </Button>
          )}
        </>
      }
    >
      <Card title="Money">
        <Facts
          of={[
            ['State', <StateBadge key="state" state={organization.state} />],
            ['Balance', <Money key="balance" amount={organization.balance_usd} />],
            ['Held for requests', <Money key="held" amount={organization.held_usd} />],
            ['Leased by nodes', <Money key="leased" amount={organization.leased_usd} />],
            ['Spent this month', <Money key="month" amount={organization.spent_this_month_usd} />],
          ]}
        />
        {organization.suspension_reason && (
          <Text size="sm" mt="sm">
            Suspended: {organization.suspension_reason}
          </Text>
        )}
      </Card>
      <CreditLine organization={organization.id} />
      <Markups organization={organization} />
      <Card title="People">
        <DataTable
          label="People"
          rows={organization.members}
          keyOf={(member) => member.id}
          columns={[
            { name: 'Name', cell: ({ name }) => name },
            { name: 'E-mail', cell: ({ email }) => email },
            { name: 'Role', cell: ({ role }) => role },
          ]}
        />
      </Card>
      <Card title="Projects">
        <DataTable
          label="Projects"
          rows={organization.projects}
          keyOf={(project) => project.id}
          columns={[
            { name: 'Name', cell: ({ name }) => name },
            { name: 'Id', cell: ({ id }) => id },
            { name: 'State', cell: (row) => (row.archived_at ? 'archived' : 'active') },
          ]}
        />
      </Card>
      <OrganizationMovements organization={organization.id} />
      <FormModal isOpen={doing === 'suspend'} close={close} title={`Suspend ${organization.name}?`}>
        <Suspend id={organization.id} close={close} />
      </FormModal>
      <FormModal
        isOpen={doing === 'credit' || doing === 'take'}
        close={close}
        title={doing === 'take' ? 'Take credit back' : 'Give credit'}
      >
        <Move id={organization.id} isTaking={doing === 'take'} close={close} />
      </FormModal>
    </Page>
  );
}

function Suspend({ id, close }: { id: string; close: () => void }) {
  const form = useApiForm({
    initialValues: { reason: '' },
    validate: { reason: (reason) => (reason.trim() ? null : 'Say why; owners see it.') },
    send: ({ reason }) =>
      data(
        api.POST('/api/operator/organizations/{organization_id}/suspend', {
          params: { path: { organization_id: id } },
          body: { reason: reason.trim() },
        }),
      ),
    onSent: async () => {
      await refreshOrganizations();
      close();
    },
  });
  return (
    <FormBody of={form} action="Suspend" close={close}>
      <Text size="sm">Its keys are refused from the next call on, until you resume it.</Text>
      <TextInput label="Why" data-autofocus {...form.form.getInputProps('reason')} />
    </FormBody>
  );
}

interface MoveProps {
  id: string;
  isTaking: boolean;
  close: () => void;
}

function Move({ id, isTaking, close }: MoveProps) {
  // One key for one dialog: pressing twice moves the money once.
  const [key] = useState(attemptKey);
  const form = useApiForm({
    initialValues: { amount_usd: '', reason: '' },
    validate: {
      amount_usd: amountProblem,
      reason: (reason) => (reason.trim() ? null : 'Say why; the books keep it.'),
    },
    send: ({ amount_usd, reason }) => {
      const params = { path: { organization_id: id } };
      const body = { amount_usd: amount_usd.trim(), reason: reason.trim(), key };
      return isTaking
        ? data(api.POST('/api/operator/organizations/{organization_id}/adjustments', { params, body }))
        : data(api.POST('/api/operator/organizations/{organization_id}/credits', { params, body }));
    },
    said: 'The books have it.',
    onSent: async () => {
      await refreshOrganizations();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action={isTaking ? 'Take back' : 'Give'} close={close}>
      <Stack gap="md">
        <Group grow>
          <TextInput
            label="Amount in USD"
            inputMode="decimal"
            data-autofocus
            {...getInputProps('amount_usd')}
          />
        </Group>
        <TextInput label="Why" {...getInputProps('reason')} />
      </Stack>
    </FormBody>
  );
}
