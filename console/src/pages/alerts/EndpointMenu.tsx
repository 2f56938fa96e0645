import { ActionIcon, Menu, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconDots, IconPencil, IconPower, IconRefresh, IconTrash } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { Confirm } from '../../ui/Confirm';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { SecretOnce } from '../../ui/SecretOnce';
import { useAction } from '../../ui/useAction';
import { nameOf, refreshEndpoints, type Endpoint } from './endpoint';
import { EndpointFields, endpointRules, kindsIn, type EndpointValues } from './EndpointFields';

type Doing = 'change' | 'rotate' | 'delete' | null;

const paramsOf = ({ id }: Endpoint) => ({ path: { endpoint_id: id } });

/** What can be done with an endpoint. */
export function EndpointMenu({ of: endpoint }: { of: Endpoint }) {
  const [doing, setDoing] = useState<Doing>(null);
  const navigate = useNavigate();
  const begin = (what: Doing) => () => {
    setDoing(what);
  };
  const close = begin(null);
  const turn = useAction(
    async () => {
      await api.POST('/api/webhook_endpoints/{endpoint_id}', {
        params: paramsOf(endpoint),
        body: { enabled: !endpoint.enabled },
      });
      await refreshEndpoints();
    },
    endpoint.enabled ? 'Nothing is sent to it any more.' : 'Alerts are sent to it again.',
  );
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label="What can be done with this endpoint">
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={begin('change')}>
            Change
          </Menu.Item>
          {endpoint.type === 'standard' && (
            <Menu.Item leftSection={<IconRefresh size={16} />} onClick={begin('rotate')}>
              Rotate the secret
            </Menu.Item>
          )}
          <Menu.Item
            leftSection={<IconPower size={16} />}
            onClick={() => {
              turn.run();
            }}
          >
            {endpoint.enabled ? 'Switch off' : 'Switch on'}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={begin('delete')}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <FormModal isOpen={doing === 'change'} close={close} title="Change the endpoint" size="lg">
        <Change of={endpoint} close={close} />
      </FormModal>
      <FormModal isOpen={doing === 'rotate'} close={close} title="Rotate the secret">
        <Rotate of={endpoint} close={close} />
      </FormModal>
      <Confirm
        isOpen={doing === 'delete'}
        close={close}
        title={`Delete ${nameOf(endpoint)}?`}
        action="Delete endpoint"
        typed={nameOf(endpoint)}
        act={async () => {
          await api.DELETE('/api/webhook_endpoints/{endpoint_id}', { params: paramsOf(endpoint) });
          await navigate({ to: '/alerts', search: { tab: 'webhooks' } });
          await refreshEndpoints();
        }}
      >
        Nothing is sent to it any more, and the log of what was sent goes with it. There is no way
        back.
      </Confirm>
    </>
  );
}

interface FormProps {
  of: Endpoint;
  close: () => void;
}

function Change({ of: endpoint, close }: FormProps) {
  const isChat = endpoint.type === 'slack';
  const form = useApiForm<EndpointValues, Endpoint>({
    initialValues: {
      type: endpoint.type,
      // Of a chat only the host is known here: the whole address is its secret.
      url: isChat ? '' : endpoint.url,
      description: endpoint.description,
      hasAll: !endpoint.kinds,
      kinds: endpoint.kinds ?? [],
    },
    validate: {
      ...endpointRules,
      url: (url) => (isChat && url.trim() === '' ? null : endpointRules.url(url)),
    },
    said: 'Saved.',
    send: (values) =>
      data(
        api.POST('/api/webhook_endpoints/{endpoint_id}', {
          params: paramsOf(endpoint),
          body: {
            ...(values.url.trim() && { url: values.url.trim() }),
            description: values.description.trim(),
            kinds: kindsIn(values),
          },
        }),
      ),
    onSent: async () => {
      await refreshEndpoints();
      close();
    },
  });
  return (
    <FormBody of={form} action="Save" close={close}>
      <TextInput
        label="Address"
        placeholder={isChat ? 'Empty: as it is' : ''}
        inputMode="url"
        spellCheck={false}
        {...form.form.getInputProps('url')}
      />
      <EndpointFields form={form.form} />
    </FormBody>
  );
}

const OVERLAPS = [
  { value: '86400', label: 'For a day' },
  { value: '3600', label: 'For an hour' },
  { value: '0', label: 'Not at all' },
];

function Rotate({ of: endpoint, close }: FormProps) {
  const [secret, setSecret] = useState<string | null>(null);
  const form = useApiForm({
    initialValues: { overlap_seconds: '86400' },
    send: ({ overlap_seconds: overlap }) =>
      data(
        api.POST('/api/webhook_endpoints/{endpoint_id}/rotate_secret', {
          params: paramsOf(endpoint),
          body: { overlap_seconds: Number(overlap) },
        }),
      ),
    onSent: async (rotated) => {
      setSecret(rotated.secret ?? null);
      await refreshEndpoints();
    },
  });
  if (secret !== null) return <SecretOnce name="signing secret" secret={secret} />;
  return (
    <FormBody of={form} action="Rotate" close={close}>
      <Stack gap="md">
        <Text size="sm">
          Events are signed with a new secret from now on. While both sign, your program can change
          from one to the other without missing any.
        </Text>
        <Select
          label="The one before signs too"
          data={OVERLAPS}
          allowDeselect={false}
          {...form.form.getInputProps('overlap_seconds')}
        />
      </Stack>
    </FormBody>
  );
}
