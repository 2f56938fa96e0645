import { ActionIcon, Button, Group, Menu, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconDots, IconPencil, IconRefresh, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import { useMe } from '../../session/me';
import { useProject } from '../../session/project';
import { useMayIn } from '../../session/standing';
import { Confirm } from '../../ui/Confirm';
import { useApiForm } from '../../ui/form';
import { Problem } from '../../ui/Problem';
import { SecretOnce } from '../../ui/SecretOnce';
import { When } from '../../ui/When';
import type { Key } from './Keys';
import { Restrictions } from './Restrictions';
import { asked, restrictionOf } from './restriction';
import { useLately } from './use';

type Doing = 'edit' | 'rotate' | 'revoke' | null;

const refresh = () => queryClient.invalidateQueries({ queryKey: ['keys'] });

/** What can be done with a key. */
export function KeyMenu({ of: key }: { of: Key }) {
  const [doing, setDoing] = useState<Doing>(null);
  const shown = useProject();
  const mayChangeAll = useMayIn(shown, 'api.organization.projects.api_keys.write');
  const project = shown ?? '';
  const isMine = key.owner.user?.id === useMe().id;
  const close = () => {
    setDoing(null);
  };
  if (!isMine && !mayChangeAll) return null;
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${key.name}`}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            leftSection={<IconPencil size={16} />}
            onClick={() => {
              setDoing('edit');
            }}
          >
            Rename or restrict
          </Menu.Item>
          {isMine && (
            <Menu.Item
              leftSection={<IconRefresh size={16} />}
              onClick={() => {
                setDoing('rotate');
              }}
            >
              Rotate
            </Menu.Item>
          )}
          <Menu.Item
            color="red"
            leftSection={<IconTrash size={16} />}
            onClick={() => {
              setDoing('revoke');
            }}
          >
            Revoke
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={doing === 'edit'} onClose={close} title={`Change ${key.name}`} size="lg">
        {doing === 'edit' && <Edit of={key} project={project} close={close} />}
      </Modal>
      <Modal opened={doing === 'rotate'} onClose={close} title={`Rotate ${key.name}`}>
        {doing === 'rotate' && <Rotate of={key} project={project} close={close} />}
      </Modal>
      <Confirm
        isOpen={doing === 'revoke'}
        close={close}
        title={`Revoke ${key.name}?`}
        action="Revoke key"
        typed={key.name}
        act={async () => {
          const path = { project_id: project, key_id: key.id };
          await api.DELETE('/api/projects/{project_id}/keys/{key_id}', { params: { path } });
          await refresh();
        }}
      >
        <Consequences of={key} />
      </Confirm>
    </>
  );
}

/** What breaks when a key is revoked. */
function Consequences({ of: key }: { of: Key }) {
  const lately = useLately(key.id);
  // The last use is written down some seconds later; requests are counted at once.
  const isTold = (key.last_used_at ?? null) !== null || lately === undefined;
  return (
    <Stack gap="xs">
      <Text size="sm">
        Every program that uses {key.redacted_value} is refused from its next call on, whichever of
        its secrets it has. A revoked key does not come back.
      </Text>
      <Text size="sm" fw={550}>
        {isTold && (
          <>
            Last used: <When at={key.last_used_at} />.{' '}
          </>
        )}
        {lately}
      </Text>
    </Stack>
  );
}

interface DoProps {
  of: Key;
  project: string;
  close: () => void;
}

function Edit({ of: key, project, close }: DoProps) {
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { name: key.name, ...restrictionOf(key) },
    fields: { resources: 'permissions' },
    said: 'The key is changed.',
    send: (values) =>
      data(
        api.POST('/api/projects/{project_id}/keys/{key_id}', {
          params: { path: { project_id: project, key_id: key.id } },
          body: { name: values.name.trim(), ...asked(values) },
        }),
      ),
    onSent: async () => {
      await refresh();
      close();
    },
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput label="Name" maxLength={256} {...form.getInputProps('name')} />
        <Restrictions form={form} />
        <Problem text={problem} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={isSending}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

const GRACES = [
  { value: '0', label: 'At once' },
  { value: '3600', label: 'In an hour' },
  { value: '86400', label: 'In a day' },
  { value: '604800', label: 'In a week' },
];

function Rotate({ of: key, project, close }: DoProps) {
  const [secret, setSecret] = useState<string | null>(null);
  const { form, submit, isSending, problem } = useApiForm({
    initialValues: { grace_seconds: '86400' },
    send: (values) =>
      data(
        api.POST('/api/projects/{project_id}/keys/{key_id}/rotate', {
          params: { path: { project_id: project, key_id: key.id } },
          body: { grace_seconds: Number(values.grace_seconds) },
        }),
      ),
    onSent: async (rotated) => {
      setSecret(rotated.value);
      await refresh();
    },
  });
  if (secret !== null) {
    return (
      <Stack gap="md">
        <SecretOnce name={`new secret of ${key.name}`} secret={secret} />
        <Group justify="flex-end">
          <Button onClick={close}>Done</Button>
        </Group>
      </Stack>
    );
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Text size="sm">The key gets a new secret; its name, limits and history stay.</Text>
        <Select
          label="The old secret stops working"
          data={GRACES}
          allowDeselect={false}
          {...form.getInputProps('grace_seconds')}
        />
        <Problem text={problem} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={isSending}>
            Rotate
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
