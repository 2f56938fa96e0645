import { Button } from '@mantine/core';
import { Navigate, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { ApiError, messageOf } from '../api/error';
import { Plain } from './Plain';

/** A page that cannot be shown. A session that is over leads to signing in, and back here. */
export function Broken({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  if (error instanceof ApiError && error.isSignedOut) {
    return <Navigate to="/sign-in" search={{ return_to: router.state.location.href }} replace />;
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
