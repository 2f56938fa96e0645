import { Alert, Anchor, Button, Skeleton, Stack, Stepper, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Plain } from '../../app/Plain';
import { Answered } from '../../ui/States';
import { secretInAddress, useEnter } from './entry';
import { AccountStep } from './AccountStep';
import { CodeStep } from './CodeStep';
import { PhoneStep } from './PhoneStep';

type Signup = Schemas['Signup'];
type Terms = Schemas['SignupTerms'];

const FOOT = (
  <span>
    Have an account?{' '}
    <Anchor component={Link} to="/sign-in">
      Sign in
    </Anchor>
  </span>
);

/** From an address to an account: e-mail code, phone code, and one is in. */
export default function SignUp() {
  const terms = useQuery({
    queryKey: ['signup'],
    queryFn: ({ signal }) => data(api.GET('/api/signup', { signal })),
  });
  return (
    <Plain title="Create an account" foot={FOOT}>
      <Answered query={terms} loading={<Skeleton height={320} />}>
        {(answer) => <Path terms={answer} />}
      </Answered>
    </Plain>
  );
}

/** A sign-up that a provider began, or the secret of an invite: what the address brings along. */
function brought(): { id: string } | { invite: string } | null {
  const secret = secretInAddress();
  if (!secret) return null;
  const invite = /^invite=(.+)$/.exec(secret)?.[1];
  return invite === undefined ? { id: secret } : { invite };
}

function Path({ terms }: { terms: Terms }) {
  const [start] = useState(brought);
  const [signup, setSignup] = useState<Signup | null>(null);
  const enter = useEnter();
  const invite = start && 'invite' in start ? start.invite : undefined;
  const vouched = start && 'id' in start ? start.id : undefined;

  const go = async (next: Signup) => {
    if (next.status === 'complete') await enter();
    else setSignup(next);
  };
  const status = signup?.status ?? (vouched === undefined ? undefined : 'phone_required');
  const id = signup?.id ?? vouched ?? '';

  if (!status && terms.mode !== 'open' && invite === undefined) return <Closed mode={terms.mode} />;
  const step = status === undefined ? 0 : status === 'email_code_required' ? 1 : 2;
  return (
    <Stack gap="lg">
      <Stepper active={step} size="xs" aria-label="Progress">
        <Stepper.Step label="Account" />
        <Stepper.Step label="E-mail" />
        {terms.is_phone_required && <Stepper.Step label="Phone" />}
      </Stepper>
      {status === undefined && <AccountStep invite={invite} go={go} trial={trialOf(terms)} />}
      {status === 'email_code_required' && <CodeStep kind="email" signup={signup} go={go} />}
      {status === 'phone_required' && <PhoneStep id={id} go={go} />}
      {status === 'phone_code_required' && <CodeStep kind="phone" signup={signup} go={go} />}
    </Stack>
  );
}

function trialOf({ is_phone_required: isPhoneRequired, trial_credit_usd: amount }: Terms) {
  return isPhoneRequired && Number(amount) > 0 ? amount : null;
}

function Closed({ mode }: { mode: string }) {
  return (
    <Alert color="yellow" title={mode === 'invite' ? 'By invitation' : 'Closed'}>
      <Text size="sm">
        {mode === 'invite'
          ? 'Only people who were invited can create an account here. Open the link in the mail that invited you.'
          : 'Nobody can create an account here at the moment. Ask whoever runs this installation.'}
      </Text>
      <Button component={Link} to="/sign-in" variant="default" mt="md">
        Sign in instead
      </Button>
    </Alert>
  );
}
