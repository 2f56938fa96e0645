import { Alert, Badge, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { Confirm } from '../../ui/Confirm';
import { Copyable } from '../../ui/Copyable';
import { useApiForm } from '../../ui/form';
import { FormBody } from '../../ui/FormModal';
import { Answered } from '../../ui/States';
import { useAction } from '../../ui/useAction';
import { When } from '../../ui/When';
import { withProof } from '../../session/proof';
import { refreshFactors, useFactors } from './factors';
import { QrCode } from './QrCode';
import { RecoveryCodes } from './RecoveryCodes';

/** The authenticator app, and the codes for when it is lost. */
export function FactorsCard() {
  const factors = useFactors();
  return (
    <Card
      title="Second factor"
      text="An authenticator app or a passkey, asked for after the password."
    >
      <Answered query={factors}>{(answer) => <Factors of={answer} />}</Answered>
    </Card>
  );
}

function Factors({ of: factors }: { of: Schemas['SecondFactors'] }) {
  const [enrolment, setEnrolment] = useState<Schemas['TotpEnrolment'] | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const [isRemoving, setIsRemoving] = useState(false);
  const enrol = useAction(async () => {
    setEnrolment(await data(api.POST('/api/me/totp', { body: {} })));
  });
  const renew = useAction(async () => {
    const made = await data(api.POST('/api/me/recovery_codes', { body: {} }));
    setCodes(made.recovery_codes);
    await refreshFactors();
  });
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Group gap="xs">
          <Text size="sm">Authenticator app</Text>
          <Badge variant="light" color={factors.totp ? 'fare' : 'gray'} tt="none">
            {factors.totp ? 'On' : 'Off'}
          </Badge>
          {factors.totp && (
            <Text size="sm" c="dimmed">
              since <When at={factors.totp.added_at} as="day" />
            </Text>
          )}
        </Group>
        {factors.totp ? (
          <Button
            variant="default"
            onClick={() => {
              setIsRemoving(true);
            }}
          >
            Remove
          </Button>
        ) : (
          <Button
            loading={enrol.isRunning}
            onClick={() => {
              enrol.run();
            }}
          >
            Add an app
          </Button>
        )}
      </Group>
      {factors.is_on && (
        <Group justify="space-between">
          <Text size="sm">Recovery codes left: {factors.recovery_codes_left}</Text>
          <Button
            variant="default"
            loading={renew.isRunning}
            onClick={() => {
              renew.run();
            }}
          >
            Make new ones
          </Button>
        </Group>
      )}
      {factors.needs_recovery_codes && (
        <Alert color="yellow">You are running out of recovery codes. Make new ones.</Alert>
      )}
      <Modal
        opened={enrolment !== null}
        onClose={() => {
          setEnrolment(null);
        }}
        title="Add an authenticator app"
      >
        {enrolment && (
          <Enrol
            enrolment={enrolment}
            done={(made) => {
              setEnrolment(null);
              setCodes(made);
            }}
          />
        )}
      </Modal>
      <Modal
        opened={codes !== null}
        onClose={() => {
          setCodes(null);
        }}
        title="Recovery codes"
      >
        {codes && <RecoveryCodes codes={codes} />}
      </Modal>
      <Confirm
        isOpen={isRemoving}
        close={() => {
          setIsRemoving(false);
        }}
        title="Remove the authenticator app?"
        action="Remove"
        act={() =>
          withProof(async () => {
            await api.DELETE('/api/me/totp');
            await refreshFactors();
          })
        }
      >
        Without another second factor, the password alone will let anybody in who knows it.
      </Confirm>
    </Stack>
  );
}

interface EnrolProps {
  enrolment: Schemas['TotpEnrolment'];
  done: (codes: string[] | null) => void;
}

function Enrol({ enrolment, done }: EnrolProps) {
  const form = useApiForm({
    initialValues: { code: '' },
    said: 'The app is asked for from now on.',
    send: ({ code }) => data(api.POST('/api/me/totp/confirm', { body: { code: code.trim() } })),
    onSent: async (added) => {
      await refreshFactors();
      done(added.recovery_codes ?? null);
    },
  });
  return (
    <FormBody of={form} action="Add">
      <Text size="sm">Scan this with the app, or type the secret in.</Text>
      <QrCode text={enrolment.uri} label="QR code for the authenticator app" />
      <Copyable name="secret for the app" text={enrolment.secret} />
      <TextInput
        label="Code that the app shows"
        inputMode="numeric"
        autoComplete="one-time-code"
        {...form.form.getInputProps('code')}
      />
    </FormBody>
  );
}
