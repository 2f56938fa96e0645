import { Button, Code, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay } from '../../session/me';
import { withProof } from '../../session/proof';
import { Card } from '../../ui/Card';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Paged } from '../../ui/Paged';
import { SecretOnce } from '../../ui/SecretOnce';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';

type AdminKey = Schemas['AdminApiKey'];

const refresh = () => queryClient.invalidateQueries({ queryKey: ['admin-keys'] });

const COLUMNS: Column<AdminKey>[] = [
  { name: 'Name', cell: ({ name }) => <Text fw={550}>{name}</Text> },
  { name: 'Key', cell: (key) => <Code>{key.redacted_value}</Code> },
  { name: 'Owner', cell: (key) => key.owner.name },
  { name: 'Made', cell: (key) => <When at={key.created_at} as="day" /> },
  { name: 'Last used', cell: (key) => <When at={key.last_used_at} /> },
];
const ACTIONS: Column<AdminKey> = {
  name: 'Actions',
  isNameHidden: true,
  align: 'right',
  cell: (row) => <Revoke of={row} />,
};

function Revoke({ of: key }: { of: AdminKey }) {
  const [isAsking, setIsAsking] = useState(false);
  return (
    <>
      <Button
        variant="subtle"
        color="red"
        size="compact-sm"
        aria-label={`Revoke ${key.name}`}
        onClick={() => {
          setIsAsking(true);
        }}
      >
        Revoke
      </Button>
      <Confirm
        isOpen={isAsking}
        close={() => {
          setIsAsking(false);
        }}
        title={`Revoke ${key.name}?`}
        action="Revoke key"
        typed={key.name}
        act={() =>
          withProof(async () => {
            const path = { key_id: key.id };
            await api.DELETE('/v1/organization/admin_api_keys/{key_id}', { params: { path } });
            await refresh();
          })
        }
      >
        Every program that uses it is refused from its next call on, for good.
      </Confirm>
    </>
  );
}

/** Keys for programs that administer the organization. */
export function AdminKeys() {
  const mayWrite = useMay('api.management.write');
  const [isMaking, making] = useDisclosure();
  const keys = usePaged<AdminKey>({
    key: ['admin-keys'],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/admin_api_keys', {
          params: { query: { limit: 50, ...place } },
          signal,
        }),
      ),
  });
  return (
    <Card
      title="Admin keys"
      text="They do what their owner may do, and call no models."
      actions={
        mayWrite && (
          <Button variant="default" leftSection={<IconPlus size={16} />} onClick={making.open}>
            Make an admin key
          </Button>
        )
      }
    >
      <Paged query={keys} empty={<Empty title="No admin keys" text="Nothing but people administers." />}>
        {(rows) => (
          <DataTable
            label="Admin keys"
            columns={mayWrite ? [...COLUMNS, ACTIONS] : COLUMNS}
            rows={rows}
            keyOf={(row) => row.id}
          />
        )}
      </Paged>
      <FormModal isOpen={isMaking} close={making.close} title="Make an admin key">
        <NewKey close={making.close} />
      </FormModal>
    </Card>
  );
}

function NewKey({ close }: { close: () => void }) {
  const [secret, setSecret] = useState<string | null>(null);
  const form = useApiForm({
    initialValues: { name: '' },
    validate: { name: (name) => (name.trim() ? null : 'Give it a name.') },
    send: ({ name }) =>
      data(api.POST('/v1/organization/admin_api_keys', { body: { name: name.trim() } })),
    onSent: async (key) => {
      setSecret(key.value);
      await refresh();
    },
  });
  if (secret !== null) return <SecretOnce name="admin key" secret={secret} />;
  return (
    <FormBody of={form} action="Make" close={close}>
      <TextInput label="Name" data-autofocus {...form.form.getInputProps('name')} />
    </FormBody>
  );
}
