import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { canUsePasskeys, makePasskey } from '../../session/passkey';
import { withProof } from '../../session/proof';
import { Card } from '../../ui/Card';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Answered } from '../../ui/States';
import { When } from '../../ui/When';
import { refreshFactors } from './factors';
import { RecoveryCodes } from './RecoveryCodes';

type Passkey = Schemas['Passkey'];

const COLUMNS: Column<Passkey>[] = [
  { name: 'Name', cell: (passkey) => passkey.name },
  { name: 'Signs in', cell: (key) => (key.signs_in_alone ? 'Alone' : 'After the password') },
  { name: 'Added', cell: (passkey) => <When at={passkey.created_at} as="day" /> },
  { name: 'Last used', cell: (passkey) => <When at={passkey.last_used_at} /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (key) => <Remove of={key} /> },
];

async function refresh() {
  await queryClient.invalidateQueries({ queryKey: ['passkeys'] });
  await refreshFactors();
}

/** Passkeys: made, listed and removed. */
export function PasskeysCard() {
  const [isAdding, setIsAdding] = useState(false);
  const [codes, setCodes] = useState<string[] | null>(null);
  const passkeys = useQuery({
    queryKey: ['passkeys'],
    queryFn: ({ signal }) => data(api.GET('/api/me/passkeys', { signal })),
  });
  const close = () => {
    setIsAdding(false);
  };
  return (
    <Card
      title="Passkeys"
      text={
        canUsePasskeys()
          ? 'Your phone, your computer or a security key lets you in.'
          : 'They need a host name and, but for localhost, TLS: not this address.'
      }
      actions={
        <Button
          variant="default"
          leftSection={<IconFingerprint size={16} />}
          disabled={!canUsePasskeys()}
          onClick={() => {
            setIsAdding(true);
          }}
        >
          Add a passkey
        </Button>
      }
    >
      <Answered query={passkeys}>
        {({ data: rows }) =>
          rows.length === 0 ? (
            <Text size="sm">You have none.</Text>
          ) : (
            <DataTable label="Passkeys" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
          )
        }
      </Answered>
      <FormModal isOpen={isAdding} close={close} title="Add a passkey">
        <Add close={close} made={setCodes} />
      </FormModal>
      <Modal
        opened={codes !== null}
        onClose={() => {
          setCodes(null);
        }}
        title="Recovery codes"
      >
        {codes && <RecoveryCodes codes={codes} />}
      </Modal>
    </Card>
  );
}

interface AddProps {
  close: () => void;
  made: (codes: string[] | null) => void;
}

function Add({ close, made }: AddProps) {
  const form = useApiForm({
    initialValues: { name: '' },
    said: 'The passkey is added.',
    send: ({ name }) => makePasskey(name.trim()),
    onSent: async (added) => {
      await refresh();
      close();
      made(added.recovery_codes ?? null);
    },
  });
  return (
    <FormBody of={form} action="Go on" close={close}>
      <TextInput
        label="Name"
        placeholder="Laptop"
        data-autofocus
        {...form.form.getInputProps('name')}
      />
    </FormBody>
  );
}

function Remove({ of: passkey }: { of: Passkey }) {
  const [isAsking, setIsAsking] = useState(false);
  return (
    <Stack>
      <Group justify="flex-end">
        <Button
          variant="subtle"
          color="red"
          size="compact-sm"
          aria-label={`Remove ${passkey.name}`}
          onClick={() => {
            setIsAsking(true);
          }}
        >
          Remove
        </Button>
      </Group>
      <Confirm
        isOpen={isAsking}
        close={() => {
          setIsAsking(false);
        }}
        title={`Remove ${passkey.name}?`}
        action="Remove"
        act={() =>
          withProof(async () => {
            await api.DELETE('/api/me/passkeys/{passkey_id}', {
              params: { path: { passkey_id: passkey.id } },
            });
            await refresh();
          })
        }
      >
        It will not let you in any more. You can add it again.
      </Confirm>
    </Stack>
  );
}
