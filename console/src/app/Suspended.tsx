import { Alert } from '@mantine/core';
import { IconBan } from '@tabler/icons-react';
import { organizationOf, useMe } from '../session/me';
import classes from './Suspended.module.css';

/** Says that the organization is suspended, on every page, as no call of it is served. */
export function Suspended() {
  const organization = organizationOf(useMe());
  if (!organization?.is_suspended) return null;
  return (
    <Alert
      color="red"
      className={classes.alert}
      icon={<IconBan size={18} />}
      title={`${organization.name} is suspended`}
    >
      Whoever runs this installation has suspended it: its keys are refused until they resume it.
    </Alert>
  );
}
