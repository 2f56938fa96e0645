import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Plain } from './Plain';

/** An address that leads nowhere. */
export function Lost() {
  return (
    <Plain title="There is no such page" text="The address may be old, or mistyped.">
      <Button component={Link} to="/">
        Go to the start
      </Button>
    </Plain>
  );
}
