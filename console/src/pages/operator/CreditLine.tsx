import { Button, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { attemptKey } from '../../api/attempt';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { Facts } from '../../ui/Facts';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Money } from '../../ui/Money';
import { Answered } from '../../ui/States';
import { amountProblem } from '../limits/amount';
import { refreshOrganizations } from './organization';

type Line = Schemas['CreditLine'];

/** What an organization may spend before it pays. */
export function CreditLine({ organization }: { organization: string }) {
  const [isChanging, changing] = useDisclosure();
  const path = { organization_id: organization };
  const line = useQuery({
    queryKey: ['operator', 'organizations', 'line', organization],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/organizations/{organization_id}/overdraft', {
          params: { path },
          signal,
        }),
      ),
  });
  return (
    <Card
      title="Credit line"
      text="What it may spend before it pays. Its next purchases pay it back."
      actions={
        <Button variant="default" disabled={!line.data} onClick={changing.open}>
          {line.data && Number(line.data.line_usd) > 0 ? 'Change' : 'Open a line'}
        </Button>
      }
    >
      <Answered query={line}>
        {(found) => (
          <>
            <Facts
              of={[
                ['Line', <Money key="line" amount={found.line_usd} />],
                ['Spent of it', <Money key="used" amount={found.used_usd} />],
                ['Can be spent now', <Money key="available" amount={found.available_usd} />],
              ]}
            />
            <FormModal isOpen={isChanging} close={changing.close} title="Credit line">
              <Form of={found} close={changing.close} />
            </FormModal>
          </>
        )}
      </Answered>
    </Card>
  );
}

function Form({ of: line, close }: { of: Line; close: () => void }) {
  // One key for one dialog: pressing twice changes it once.
  const [key] = useState(attemptKey);
  const form = useApiForm({
    initialValues: { line_usd: line.line_usd, reason: '' },
    validate: {
      line_usd: amountProblem,
      reason: (reason) => (reason.trim() ? null : 'Say why; the books keep it.'),
    },
    said: 'In force.',
    send: ({ line_usd, reason }) =>
      data(
        api.POST('/api/operator/organizations/{organization_id}/overdraft', {
          params: { path: { organization_id: line.organization_id } },
          body: { line_usd: line_usd.trim(), reason: reason.trim(), key },
        }),
      ),
    onSent: async () => {
      await refreshOrganizations();
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save" close={close}>
      <Text size="sm">
        It cannot be less than what of it is spent or held. What is lost if they never pay is yours.
      </Text>
      <TextInput
        label="Line in USD"
        description="0 ends it."
        inputMode="decimal"
        data-autofocus
        {...getInputProps('line_usd')}
      />
      <TextInput
        label="Why"
        description="The organization’s audit log tells it too."
        {...getInputProps('reason')}
      />
    </FormBody>
  );
}
