import { Alert, Button, Group, NumberInput, Switch } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { useMay, useOrganization } from '../../session/me';
import { Card } from '../../ui/Card';
import { Confirm } from '../../ui/Confirm';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Answered } from '../../ui/States';

type Settings = Schemas['LogSettings'];

const KEY = ['log-settings'];
const MOST_DAYS = 30;

/** Whether prompts and answers are kept: not unless the organization wants it. */
export function Prompts() {
  const settings = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => data(api.GET('/api/log_settings', { signal })),
  });
  return (
    <Card
      title="Prompts in the log"
      text="Farebox keeps neither prompts nor answers, unless you want to see them in the log."
    >
      <Answered query={settings}>{(found) => <Form of={found} />}</Answered>
    </Card>
  );
}

function Form({ of: settings }: { of: Settings }) {
  const form = useApiForm({
    initialValues: {
      keep_prompts: settings.keep_prompts,
      prompt_days: settings.prompt_days,
    },
    validate: {
      prompt_days: (days) => (days >= 1 && days <= MOST_DAYS ? null : `From 1 to ${MOST_DAYS}.`),
    },
    said: 'It acts on the next request.',
    send: ({ keep_prompts, prompt_days }) =>
      data(
        api.POST('/api/log_settings', {
          body: { keep_prompts, prompt_days },
        }),
      ),
    onSent: (saved) => {
      queryClient.setQueryData(KEY, saved);
    },
  });
  const { getInputProps, values } = form.form;
  const mayWrite = useMay('api.management.write');
  return (
    <FormBody of={form} action="Save" isReadOnly={!mayWrite}>
      <Switch
        label="Keep prompts and answers"
        description="The first 64 KiB of each, sealed; seen by owners and whom they let see them."
        {...getInputProps('keep_prompts', { type: 'checkbox' })}
      />
      {values.keep_prompts && !settings.keep_prompts && (
        <Alert color="yellow">
          What people write may be private. Tell those who use your keys before you switch this on.
        </Alert>
      )}
      <Group align="flex-end">
        <NumberInput
          label="For how many days"
          min={1}
          max={MOST_DAYS}
          allowDecimal={false}
          disabled={!values.keep_prompts}
          {...getInputProps('prompt_days')}
        />
        {mayWrite && <Erase />}
      </Group>
    </FormBody>
  );
}

function Erase() {
  const [isAsking, asking] = useDisclosure();
  const { name } = useOrganization();
  return (
    <>
      <Button variant="light" color="red" onClick={asking.open}>
        Erase what is kept
      </Button>
      <Confirm
        isOpen={isAsking}
        close={asking.close}
        title="Erase all prompts and answers?"
        action="Erase"
        typed={name}
        act={async () => {
          await api.POST('/api/log_settings', { body: { erase_prompts: true } });
          await queryClient.invalidateQueries({ queryKey: ['logs'] });
        }}
      >
        Every prompt and answer that is kept goes, for good. The log itself stays.
      </Confirm>
    </>
  );
}
