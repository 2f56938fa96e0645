import { Alert, Button, Group, Radio, Stack, Text, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { SecretOnce } from '../../ui/SecretOnce';
import { refreshEndpoints } from './endpoint';
import { EndpointFields, endpointRules, kindsIn, type EndpointValues } from './EndpointFields';

type Made = Schemas['WebhookEndpointWithSecret'];

const ADDRESSES = {
  standard: {
    text: 'Each event is one POST, signed as Standard Webhooks says.',
    placeholder: 'https://example.com/farebox',
  },
  slack: {
    text: 'An incoming webhook of Slack, Mattermost or another chat that takes the same. The address is a secret: only its host is shown later.',
    placeholder: 'https://hooks.slack.com/services/…',
  },
};

/** Makes an endpoint, and shows the secret that its events are signed with. */
export function NewEndpoint({ close }: { close: () => void }) {
  const [made, setMade] = useState<Made | null>(null);
  const form = useApiForm<EndpointValues, Made>({
    initialValues: { type: 'standard', url: '', description: '', hasAll: true, kinds: [] },
    validate: endpointRules,
    send: (values) =>
      data(
        api.POST('/api/webhook_endpoints', {
          body: {
            type: values.type,
            url: values.url.trim(),
            description: values.description.trim(),
            kinds: kindsIn(values),
          },
        }),
      ),
    onSent: async (endpoint) => {
      await refreshEndpoints();
      setMade(endpoint);
    },
  });
  if (made) return <Done made={made} />;
  const { getInputProps, values } = form.form;
  const address = ADDRESSES[values.type];
  return (
    <FormBody of={form} action="Create" close={close}>
      <Radio.Group label="What takes the alerts" {...getInputProps('type')}>
        <Group mt="xs">
          <Radio value="standard" label="A program of yours" />
          <Radio value="slack" label="A chat" />
        </Group>
      </Radio.Group>
      <TextInput
        label="Address"
        description={address.text}
        placeholder={address.placeholder}
        inputMode="url"
        spellCheck={false}
        data-autofocus
        {...getInputProps('url')}
      />
      <EndpointFields form={form.form} />
    </FormBody>
  );
}

function Done({ made }: { made: Made }) {
  const navigate = useNavigate();
  return (
    <Stack gap="md">
      {made.secret ? (
        <>
          <SecretOnce name="signing secret" secret={made.secret} />
          <Text size="sm">
            Check every event with it: the libraries of Standard Webhooks do, in most languages.
          </Text>
        </>
      ) : (
        <Alert color="fare">Alerts go to the chat from now on.</Alert>
      )}
      <Group justify="flex-end">
        <Button
          onClick={() => {
            void navigate({ to: `/alerts/endpoints/${made.id}` });
          }}
        >
          Go to the endpoint
        </Button>
      </Group>
    </Stack>
  );
}
