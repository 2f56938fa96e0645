import { Code, Group, Modal, Text, TextInput, UnstyledButton } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { DataTable, type Column } from '../../ui/DataTable';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { actorOf } from './actor';

type Entry = Schemas['AuditLog'];

const TYPING_MS = 300;

/** Who changed what, and when: entries are never changed or deleted. */
export default function AuditLog() {
  return (
    <AuditLogOf
      path="/v1/organization/audit_logs"
      lead="Every change, by whom, and from where. Nothing is ever removed."
    />
  );
}

interface AuditLogOfProps {
  path: '/v1/organization/audit_logs' | '/api/operator/audit_logs';
  lead: string;
}

/** An audit log with its filters: an organization's, or that of those who run the installation. */
export function AuditLogOf({ path, lead }: AuditLogOfProps) {
  const [email, setEmail] = useState('');
  const [type, setType] = useState('');
  const [open, setOpen] = useState<Entry | null>(null);
  const [asked] = useDebouncedValue({ email: email.trim(), type: type.trim() }, TYPING_MS);
  const entries = usePaged<Entry>({
    key: ['audit-log', path, asked],
    read: (place, signal) =>
      data(
        api.GET(path, {
          params: {
            query: {
              limit: 50,
              ...place,
              ...(asked.email && { 'actor_emails[]': [asked.email] }),
              ...(asked.type && { 'event_types[]': [asked.type] }),
            },
          },
          signal,
        }),
      ),
  });
  const columns: Column<Entry>[] = [
    { name: 'When', cell: (entry) => <When at={entry.effective_at} /> },
    { name: 'Who', cell: (entry) => actorOf(entry) },
    {
      name: 'What',
      cell: (entry) => (
        <UnstyledButton
          aria-label={`Details of ${entry.type}`}
          onClick={() => {
            setOpen(entry);
          }}
        >
          <Code>{entry.type}</Code>
        </UnstyledButton>
      ),
    },
    { name: 'Project', cell: (entry) => entry.project?.name ?? '' },
  ];
  return (
    <Page title="Audit log" lead={lead}>
      <Group>
        <TextInput
          label="By whom"
          placeholder="ada@example.com"
          value={email}
          onChange={(event) => {
            setEmail(event.currentTarget.value);
          }}
        />
        <TextInput
          label="Type"
          placeholder="api_key.created"
          value={type}
          onChange={(event) => {
            setType(event.currentTarget.value);
          }}
        />
      </Group>
      <Paged
        query={entries}
        empty={<Empty title="No entries" text="Nothing that passes these filters has happened." />}
      >
        {(rows) => (
          <DataTable label="Audit log" columns={columns} rows={rows} keyOf={(row) => row.id} />
        )}
      </Paged>
      <Modal
        opened={open !== null}
        onClose={() => {
          setOpen(null);
        }}
        title={open?.type}
        size="lg"
      >
        <Text size="sm" mb="sm">
          {open && <When at={open.effective_at} as="minute" />}
        </Text>
        <Code block tabIndex={0} aria-label="The entry">
          {JSON.stringify(open, null, 2)}
        </Code>
      </Modal>
    </Page>
  );
}
