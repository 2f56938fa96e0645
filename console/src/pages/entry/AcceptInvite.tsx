import { Button, Skeleton, Stack, Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import { messageOf } from '../../api/error';
import { queryClient } from '../../api/queries';
import type { Schemas } from '../../api/types';
import { Plain } from '../../app/Plain';
import { chooseOrganization, me, signOut, useMaybeMe } from '../../session/me';
import { Problem } from '../../ui/Problem';
import { Answered } from '../../ui/States';
import { secretInAddress } from './entry';

/** Where the link of an invite leads: it is accepted by whoever has an account, or gets one. */
export default function AcceptInvite() {
  const [secret] = useState(secretInAddress);
  const invitation = useQuery({
    queryKey: ['invitation', secret],
    queryFn: ({ signal }) => data(api.POST('/api/invites/lookup', { body: { secret }, signal })),
    retry: false,
  });
  return (
    <Plain title="You are invited">
      <Answered query={invitation} loading={<Skeleton height={160} />}>
        {(invite) => <Decide invite={invite} secret={secret} />}
      </Answered>
    </Plain>
  );
}

interface DecideProps {
  invite: Schemas['Invitation'];
  secret: string;
}

function Decide({ invite, secret }: DecideProps) {
  const person = useMaybeMe();
  const navigate = useNavigate();
  const accepting = useMutation({
    mutationFn: () => data(api.POST('/api/me/invites/accept', { body: { secret } })),
    onSuccess: async () => {
      await queryClient.query({ ...me, staleTime: 0 });
      chooseOrganization(invite.organization.id);
      await navigate({ to: '/' });
    },
  });
  const back = `/accept-invite#${encodeURIComponent(secret)}`;
  return (
    <Stack gap="md">
      <Text>
        <b>{invite.organization.name}</b> asks {invite.email} to join as{' '}
        {invite.role === 'owner' ? 'an owner' : 'a reader'}.
      </Text>
      {person === undefined && <Skeleton height={36} />}
      {person === null && (
        <>
          <Button component="a" href={`/sign-up#invite=${encodeURIComponent(secret)}`}>
            Create an account
          </Button>
          <Button
            component="a"
            href={`/sign-in?return_to=${encodeURIComponent(back)}`}
            variant="default"
          >
            I have an account
          </Button>
        </>
      )}
      {person?.email === invite.email && (
        <Button
          loading={accepting.isPending}
          onClick={() => {
            accepting.mutate();
          }}
        >
          Join {invite.organization.name}
        </Button>
      )}
      {person && person.email !== invite.email && (
        <>
          <Text size="sm">
            You are signed in as {person.email}. The invite is for {invite.email} alone.
          </Text>
          <Button variant="default" onClick={() => void signOut()}>
            Sign out
          </Button>
        </>
      )}
      <Problem text={accepting.isError ? messageOf(accepting.error) : null} />
    </Stack>
  );
}
