import { Button } from '@mantine/core';
import { useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { ApiError, messageOf } from '../api/error';
import { Plain } from './Plain';
import { SignInAgain } from './SignInAgain';

/** A page that cannot be shown. A session that is over leads to signing in, and back here. */
export function Broken({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  if (error instanceof ApiError && error.isSignedOut) {
    return <SignInAgain />;
  }
  return (
    <Plain title="This page failed" text={messageOf(error)}>
      <Button
        onClick={() => {
          reset();
          void router.invalidate();
        }}
      >
        Try again
      </Button>
    </Plain>
  );
}
