import { Menu, Text, UnstyledButton } from '@mantine/core';
import { IconCheck, IconSelector } from '@tabler/icons-react';
import { chooseOrganization, useMe, organizationOf } from '../session/me';
import classes from './Menus.module.css';

/** Which organization the console shows, and the others. */
export function OrganizationMenu() {
  const person = useMe();
  const shown = organizationOf(person);
  return (
    <Menu width="target" position="bottom-start">
      <Menu.Target>
        <UnstyledButton className={classes.button}>
          <span className={classes.text}>
            <Text size="sm" fw={600} truncate>
              {shown?.name ?? 'No organization'}
            </Text>
            <Text size="xs" c="dimmed">
              {shown?.role === 'owner' ? 'Owner' : 'Reader'}
            </Text>
          </span>
          <IconSelector size={16} aria-hidden="true" />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Organizations</Menu.Label>
        {person.organizations.map(({ id, name }) => (
          <Menu.Item
            key={id}
            rightSection={id === shown?.id ? <IconCheck size={14} aria-label="shown" /> : null}
            onClick={() => {
              chooseOrganization(id);
            }}
          >
            {name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
