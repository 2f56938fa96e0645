import { Alert, Button, Checkbox, Group, NumberInput, Stack, TextInput } from '@mantine/core';
import { IconDownload, IconEyeOff } from '@tabler/icons-react';
import { useState } from 'react';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Copyable } from '../../ui/Copyable';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { secondsOf } from '../../ui/moment';
import { usd } from '../../ui/money';
import { amountProblem } from '../limits/amount';
import { download } from '../usage/csv';
import { refreshCodes } from './codes';

type Made = Schemas['MadeCodeBatch'];

const MOST_CODES = 1_000;
const MOST_USES = 1_000_000;
const MOST_DAYS = 3_650;

/** A number field that is empty holds an empty text. */
type Count = number | '';

const within = (least: number, most: number, isNeeded: boolean) => (count: Count) => {
  if (count === '') return isNeeded ? 'Type a number.' : null;
  return count >= least && count <= most ? null : `From ${least} to ${most.toLocaleString()}.`;
};

interface Values extends Record<string, unknown> {
  note: string;
  amount_usd: string;
  code_count: Count;
  max_uses: Count;
  credit_days: Count;
  expires_at: string;
  once_per_organization: boolean;
}

const EMPTY: Values = {
  note: '',
  amount_usd: '',
  code_count: 1,
  max_uses: 1,
  credit_days: '',
  expires_at: '',
  once_per_organization: true,
};

/** What the API takes of what was typed. */
const stated = (values: Values): Schemas['NewCodeBatch'] => ({
  note: values.note.trim(),
  amount_usd: values.amount_usd.trim(),
  code_count: Number(values.code_count),
  max_uses: Number(values.max_uses),
  credit_days: values.credit_days === '' ? null : values.credit_days,
  expires_at: secondsOf(values.expires_at) ?? null,
  once_per_organization: values.once_per_organization,
});

/** Makes a batch of codes, and shows them: this once. */
export function NewCodes({ close }: { close: () => void }) {
  const [made, setMade] = useState<Made | null>(null);
  const form = useApiForm<Values, Made>({
    initialValues: EMPTY,
    validate: {
      note: (note) => (note.trim() ? null : 'Say what they are for; who redeems one is told.'),
      amount_usd: amountProblem,
      code_count: within(1, MOST_CODES, true),
      max_uses: within(1, MOST_USES, true),
      credit_days: within(1, MOST_DAYS, false),
    },
    send: (values) => data(api.POST('/api/operator/code_batches', { body: stated(values) })),
    onSent: async (batch) => {
      setMade(batch);
      await refreshCodes();
    },
  });
  if (made) return <Codes of={made} close={close} />;
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Make codes" close={close}>
      <TextInput
        label="What they are for"
        description="Whoever redeems one is told."
        placeholder="Workshop in Berlin"
        data-autofocus
        {...getInputProps('note')}
      />
      <Group grow align="flex-start">
        <TextInput label="Each gives, in USD" inputMode="decimal" {...getInputProps('amount_usd')} />
        <NumberInput label="How many codes" allowDecimal={false} {...getInputProps('code_count')} />
        <NumberInput label="Uses of each" allowDecimal={false} {...getInputProps('max_uses')} />
      </Group>
      <Group grow align="flex-start">
        <NumberInput
          label="The credit lapses after days"
          placeholder="Never"
          allowDecimal={false}
          {...getInputProps('credit_days')}
        />
        <TextInput
          label="The codes end"
          description="Empty: never."
          type="datetime-local"
          inputWrapperOrder={['label', 'input', 'error', 'description']}
          {...getInputProps('expires_at')}
        />
      </Group>
      <Checkbox
        label="An organization can use one of them only"
        {...getInputProps('once_per_organization', { type: 'checkbox' })}
      />
    </FormBody>
  );
}

function Codes({ of: batch, close }: { of: Made; close: () => void }) {
  const isOne = batch.codes.length === 1;
  return (
    <Stack gap="md">
      <Alert color="yellow" icon={<IconEyeOff size={18} />} title="Shown once">
        Farebox keeps only fingerprints. {isOne ? 'It gives' : 'Each gives'}{' '}
        {usd(batch.amount_usd)}.
      </Alert>
      <Copyable name={isOne ? 'code' : 'codes'} text={batch.codes.join('\n')} />
      <Copyable
        name="link"
        text={`${window.location.origin}/billing?code=${batch.codes[0] ?? ''}`}
      />
      <Group justify="flex-end">
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          onClick={() => {
            download(`${batch.id}.csv`, ['code', ...batch.codes].join('\r\n'));
          }}
        >
          Download CSV
        </Button>
        <Button onClick={close}>Done</Button>
      </Group>
    </Stack>
  );
}
