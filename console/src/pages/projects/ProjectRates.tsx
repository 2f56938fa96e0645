import { Button, NumberInput, Text } from '@mantine/core';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { useApiForm } from '../../ui/form';
import { FormBody, FormModal } from '../../ui/FormModal';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import type { PartProps } from './part';

type Rate = Schemas['ProjectRateLimit'];

const count = (number: number | null | undefined) =>
  number === null || number === undefined ? 'No limit' : number.toLocaleString();

const COLUMNS: Column<Rate>[] = [
  { name: 'Model', cell: (rate) => rate.model },
  {
    name: 'Requests a minute',
    align: 'right',
    cell: (rate) => count(rate.max_requests_per_1_minute),
  },
  {
    name: 'Tokens a minute',
    align: 'right',
    cell: (rate) => count(rate.max_tokens_per_1_minute),
  },
  { name: 'Requests a day', align: 'right', cell: (rate) => count(rate.max_requests_per_1_day) },
];

/** How many requests and tokens the project may use of each model. */
export function ProjectRates({ project, mayWrite }: PartProps) {
  const rates = usePaged<Rate>({
    key: ['project-rates', project],
    read: (place, signal) =>
      data(
        api.GET('/v1/organization/projects/{project_id}/rate_limits', {
          params: { path: { project_id: project }, query: { limit: 50, ...place } },
          signal,
        }),
      ),
  });
  const change: Column<Rate> = {
    name: 'Actions',
    isNameHidden: true,
    align: 'right',
    cell: (rate) => <Change of={rate} project={project} />,
  };
  return (
    <Paged
      query={rates}
      empty={<Empty title="No models" text="Rate limits are listed by model, and there is none." />}
    >
      {(rows) => (
        <>
          <Text size="sm" c="dimmed">
            What all keys of the project together may use.{' '}
            {!mayWrite && 'Limits are the organization’s to change.'}
          </Text>
          <DataTable
            label="Rate limits"
            rows={rows}
            keyOf={(rate) => rate.id}
            columns={mayWrite ? [...COLUMNS, change] : COLUMNS}
          />
        </>
      )}
    </Paged>
  );
}

function Change({ of: rate, project }: { of: Rate; project: string }) {
  const [isOpen, setIsOpen] = useState(false);
  const close = () => {
    setIsOpen(false);
  };
  return (
    <>
      <Button
        variant="default"
        size="compact-sm"
        aria-label={`Change the limits of ${rate.model}`}
        onClick={() => {
          setIsOpen(true);
        }}
      >
        Change
      </Button>
      <FormModal isOpen={isOpen} close={close} title={`Limits of ${rate.model}`}>
        <RateForm of={rate} project={project} close={close} />
      </FormModal>
    </>
  );
}

interface RateFormProps {
  of: Rate;
  project: string;
  close: () => void;
}

function RateForm({ of: rate, project, close }: RateFormProps) {
  const form = useApiForm({
    initialValues: {
      max_requests_per_1_minute: rate.max_requests_per_1_minute,
      max_tokens_per_1_minute: rate.max_tokens_per_1_minute,
    },
    said: 'In force from the next call on.',
    send: (body) =>
      data(
        api.POST('/v1/organization/projects/{project_id}/rate_limits/{rate_limit_id}', {
          params: { path: { project_id: project, rate_limit_id: rate.id } },
          body,
        }),
      ),
    onSent: async () => {
      await queryClient.invalidateQueries({ queryKey: ['project-rates'] });
      close();
    },
  });
  const { getInputProps } = form.form;
  return (
    <FormBody of={form} action="Save" close={close}>
      <NumberInput
        label="Requests a minute"
        min={0}
        thousandSeparator=","
        {...getInputProps('max_requests_per_1_minute')}
      />
      <NumberInput
        label="Tokens a minute"
        min={0}
        thousandSeparator=","
        {...getInputProps('max_tokens_per_1_minute')}
      />
    </FormBody>
  );
}
