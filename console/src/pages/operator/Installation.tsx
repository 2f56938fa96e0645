import { Button, Code, Group, Select, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { DataTable } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Page } from '../../ui/Page';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { amountProblem } from '../limits/amount';

const refresh = () => queryClient.invalidateQueries({ queryKey: ['operator', 'signup'] });

/** Who may sign up, and every setting in force. */
export default function Installation() {
  const policy = useQuery({
    queryKey: ['operator', 'signup'],
    queryFn: ({ signal }) => data(api.GET('/api/operator/signup_policy', { signal })),
  });
  const settings = useQuery({
    queryKey: ['operator', 'settings'],
    queryFn: ({ signal }) => data(api.GET('/api/operator/settings', { signal })),
  });
  return (
    <Page title="Installation" lead="Who may sign up, and the settings in force. Secrets are hidden.">
      <Card title="Signing up" text="Changes act at once, without a restart.">
        <Answered query={policy}>{(found) => <Policy key={found.changed_at ?? 0} of={found} />}</Answered>
      </Card>
      <Card title="What was stated" text="By the file or the environment; everything else is as usual.">
        <Answered query={settings}>
          {({ stated }) => (
            <DataTable
              label="What was stated"
              rows={stated}
              keyOf={({ name }) => name}
              columns={[
                { name: 'Setting', cell: ({ name }) => <Code>{name}</Code> },
                { name: 'Stated by', cell: ({ from }) => from },
              ]}
            />
          )}
        </Answered>
      </Card>
      <Card title="Settings in force" text={settings.data?.file ?? 'There is no file: all is default.'}>
        <Answered query={settings}>
          {({ toml }) => (
            <Code block tabIndex={0} aria-label="Settings in force">
              {toml}
            </Code>
          )}
        </Answered>
      </Card>
    </Page>
  );
}

function Policy({ of: policy }: { of: Schemas['SignupPolicy'] }) {
  const form = useApiForm({
    initialValues: {
      mode: policy.mode,
      phone_verification: policy.phone_verification,
      trial_credit_usd: policy.trial_credit_usd,
    },
    validate: { trial_credit_usd: amountProblem },
    said: 'In force.',
    send: (body) => data(api.POST('/api/operator/signup_policy', { body })),
    onSent: refresh,
  });
  const { getInputProps } = form.form;
  const reset = useAction(async () => {
    await api.DELETE('/api/operator/signup_policy');
    await refresh();
  }, 'As the configuration says.');
  return (
    <FormBody of={form} action="Save">
      {policy.changed.length > 0 && (
        <Group gap="sm">
          <Text size="sm">
            Changed here <When at={policy.changed_at} />, whatever the configuration says.
          </Text>
          <Button
            variant="default"
            size="compact-sm"
            loading={reset.isRunning}
            onClick={() => {
              reset.run();
            }}
          >
            As configured
          </Button>
        </Group>
      )}
      <Select
        label="Who may sign up"
        allowDeselect={false}
        maw={320}
        data={[
          { value: 'open', label: 'Anybody' },
          { value: 'invite', label: 'Who was invited' },
          { value: 'closed', label: 'Nobody' },
        ]}
        {...getInputProps('mode')}
      />
      <Select
        label="Phone number"
        allowDeselect={false}
        maw={320}
        data={[
          { value: 'required', label: 'Must be confirmed' },
          { value: 'off', label: 'Is not asked for' },
        ]}
        {...getInputProps('phone_verification')}
      />
      <TextInput
        label="Trial credit in USD"
        description="Once for each phone number."
        inputMode="decimal"
        maw={320}
        {...getInputProps('trial_credit_usd')}
      />
    </FormBody>
  );
}
