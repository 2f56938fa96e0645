import { Alert, Anchor, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Facts } from '../../ui/Facts';
import { Money } from '../../ui/Money';
import { Answered } from '../../ui/States';
import { When } from '../../ui/When';
import { durationOf, FLAGS, tokensOf } from './entry';
import { FILTERS, type Name } from './filter';
import { Outcome } from './Outcome';
import { Prompt } from './Prompt';
import { Receipt } from './Receipt';
import { Refusal } from './Refusal';

type Found = Schemas['LogRequest'];

/** One request, with all that is known of it. */
export function Request({ id }: { id: string }) {
  const request = useQuery({
    queryKey: ['logs', 'one', id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/logs/{request_id}', { params: { path: { request_id: id } }, signal }),
      ),
  });
  return <Answered query={request}>{(found) => <Shown of={found} />}</Answered>;
}

function Shown({ of: request }: { of: Found }) {
  return (
    <Stack gap="lg">
      <Group gap="xs">
        <Outcome of={request} />
        <Text size="sm" c="dimmed">
          <When at={request.started_at} as="second" />
        </Text>
      </Group>
      {request.error_message && <Alert color="red">{request.error_message}</Alert>}
      {request.flags.length > 0 && (
        <Alert color="yellow">
          {request.flags.map((flag) => (
            <div key={flag}>{FLAGS[flag] ?? flag}</div>
          ))}
        </Alert>
      )}
      <Facts of={factsOf(request)} />
      {request.refusal && <Refusal of={request.refusal} />}
      {request.receipt && <Receipt of={request.receipt} />}
      <Prompt of={request.prompt} />
    </Stack>
  );
}

function factsOf(request: Found): [string, ReactNode][] {
  const only = (name: Name, value: string | null | undefined, shown = value) =>
    value ? (
      <Only key={name} name={name} value={value}>
        {shown}
      </Only>
    ) : (
      'None'
    );
  const first = request.first_output_ms;
  return [
    ['Model', only('model', request.model)],
    ['Endpoint', only('endpoint', request.endpoint)],
    ['Key', only('api_key_id', request.api_key_id, request.api_key_name ?? request.api_key_id)],
    request.service_account_id
      ? ['Service account', request.service_account_id]
      : ['Person', only('user_id', request.user_id, request.user_name ?? request.user_id)],
    ['Upstream', only('upstream', request.upstream)],
    ['Tokens', tokensOf(request.tokens) || 'None'],
    ['Cost', <Money key="cost" amount={request.cost_usd} />],
    ['Took', durationOf(request.duration_ms)],
    ...(typeof first === 'number'
      ? [['First output after', durationOf(first)] as [string, ReactNode]]
      : []),
    ...(request.finish_reason
      ? [['Ended because', request.finish_reason] as [string, ReactNode]]
      : []),
    ['Answer', request.streamed ? 'Piece by piece' : 'At once'],
  ];
}

interface OnlyProps {
  name: Name;
  value: string;
  children: ReactNode;
}

/** A fact that leads to all requests that share it. */
function Only({ name, value, children }: OnlyProps) {
  return (
    <Anchor
      inherit
      title={`Only requests of this: ${FILTERS[name].toLowerCase()} ${value}`}
      renderRoot={(props) => (
        <Link
          {...props}
          to="."
          search={(before: object) => ({ ...before, [name]: value, request: undefined }) as never}
        />
      )}
    >
      {children}
    </Anchor>
  );
}
