import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { ListWith } from '../../ui/List';
import { Paged } from '../../ui/Paged';
import { SecretOnce } from '../../ui/SecretOnce';
import { Empty } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import type { PartProps } from './part';

type Account = Schemas['ServiceAccount'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['service-accounts'] });

const COLUMNS: Column<Account>[] = [
  { name: 'Name', cell: ({ name }) => <Text fw={550}>{name}</Text> },
  { name: 'Role', cell: ({ role }) => role },
  { name: 'Made', cell: (account) => <When at={account.created_at} as="day" /> },
];

/** Accounts of programs, which outlive the people who made them. */
export function ServiceAccounts({ project, mayWrite }: PartProps) {
  const [isMaking, making] = useDisclosure();
  const [secret, setSecret] = useState<string | null>(null);
  const accounts = usePaged<Account>({
    key: ['service-accounts', project],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/projects/{project_id}/service_accounts', {
          params: { path: { project_id: project }, query: { limit: 50, ...place } },
          signal,
        }),
      ),
  });
  const actions: Column<Account> = {
    name: 'Actions',
    isNameHidden: true,
    align: 'right',
    cell: (account) => <Actions of={account} project={project} show={setSecret} />,
  };
  return (
    <ListWith
      actions={
        mayWrite && (
          <Button leftSection={<IconPlus size={16} />} onClick={making.open}>
            Make a service account
          </Button>
        )
      }
    >
      <Paged
        query={accounts}
        empty={
          <Empty
            title="No service accounts"
            text="A program in production should have one: its key does not leave with a person."
          />
        }
      >
        {(rows) => (
          <DataTable
            label="Service accounts"
            keyOf={(account) => account.id}
            rows={rows}
            columns={mayWrite ? [...COLUMNS, actions] : COLUMNS}
          />
        )}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make a service account">
        <NewAccount
          project={project}
          close={making.close}
          made={(value) => {
            making.close();
            setSecret(value);
          }}
        />
      </FormModal>
      <FormModal
        isOpen={secret !== null}
        close={() => {
          setSecret(null);
        }}
        title="Key of the service account"
      >
        <SecretOnce name="key of the service account" secret={secret ?? ''} />
      </FormModal>
    </ListWith>
  );
}

interface ActionsProps {
  of: Account;
  project: string;
  show: (secret: string) => void;
}

function Actions({ of: account, project, show }: ActionsProps) {
  const [isAsking, setIsAsking] = useState(false);
  const path = { project_id: project, service_account_id: account.id };
  const key = useAction(async () => {
    const made = await data(
      api.POST(
        '/v1/organization/projects/{project_id}/service_accounts/{service_account_id}/api_keys',
        { params: { path }, body: {} },
      ),
    );
    show(made.value);
  });
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap">
      <Button
        variant="default"
        size="compact-sm"
        aria-label={`New key for ${account.name}`}
        loading={key.isRunning}
        onClick={() => {
          key.run();
        }}
      >
        New key
      </Button>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        aria-label={`Delete ${account.name}`}
        onClick={() => {
          setIsAsking(true);
        }}
      >
        Delete
      </Button>
      <Confirm
        isOpen={isAsking}
        close={() => {
          setIsAsking(false);
        }}
        title={`Delete ${account.name}?`}
        action="Delete"
        typed={account.name}
        act={async () => {
          await api.DELETE(
            '/v1/organization/projects/{project_id}/service_accounts/{service_account_id}',
            { params: { path } },
          );
          await refresh();
        }}
      >
        Its keys are refused from the next call on, for good.
      </Confirm>
    </Group>
  );
}

interface NewAccountProps {
  project: string;
  close: () => void;
  made: (secret: string) => void;
}

function NewAccount({ project, close, made }: NewAccountProps) {
  const form = useApiForm({
    initialValues: { name: '' },
    validate: { name: (name) => (name.trim() ? null : 'Give it a name.') },
    send: ({ name }) =>
      data(
        api.POST('/v1/organization/projects/{project_id}/service_accounts', {
          params: { path: { project_id: project } },
          body: { name: name.trim() },
        }),
      ),
    onSent: async (account) => {
      await refresh();
      if (account.api_key) made(account.api_key.value);
      else close();
    },
  });
  return (
    <FormBody of={form} action="Make" close={close}>
      <Stack gap="xs">
        <TextInput label="Name" data-autofocus {...form.form.getInputProps('name')} />
        <Text size="sm" c="dimmed">
          It gets a key, which is shown once.
        </Text>
      </Stack>
    </FormBody>
  );
}
