import { ActionIcon, Anchor, Drawer, NavLink, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconMenu2 } from '@tabler/icons-react';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { organizationOf, useMaybeMe, useMe } from '../session/me';
import { Logo } from '../ui/Logo';
import { areas, type Area, type Destination } from './navigation';
import { OrganizationMenu } from './OrganizationMenu';
import { PersonMenu } from './PersonMenu';
import classes from './Shell.module.css';
import { SignInAgain } from './SignInAgain';
import { Suspended } from './Suspended';

/** Views of somebody who is signed in; a session that ends under way leads to signing in, and back. */
export default function Shell() {
  return useMaybeMe() === null ? <SignInAgain /> : <Frame />;
}

/** What surrounds every view: where one is, and where one can go. */
function Frame() {
  const [isOpen, drawer] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });

  const { close } = drawer;
  // The drawer is in the way once one has gone where it led.
  useEffect(() => {
    close();
  }, [path, close]);

  return (
    <div className={classes.shell}>
      <Anchor href="#content" className={classes.skip}>
        Skip to content
      </Anchor>
      <aside className={classes.side}>
        <Brand />
        <OrganizationMenu />
        <Navigation label="Console" path={path} />
        <PersonMenu />
      </aside>
      <header className={classes.bar}>
        <ActionIcon variant="subtle" color="gray" aria-label="Open the menu" onClick={drawer.open}>
          <IconMenu2 size={22} />
        </ActionIcon>
        <Brand />
      </header>
      <Drawer opened={isOpen} onClose={drawer.close} title="Farebox" size="xs">
        <OrganizationMenu />
        <Navigation label="Menu" path={path} />
        <PersonMenu />
      </Drawer>
      <main id="content" className={classes.main} tabIndex={-1}>
        <Suspended />
        <Outlet />
      </main>
    </div>
  );
}

function Brand() {
  return (
    <Link to="/" className={classes.brand}>
      <Logo />
      <span>Farebox</span>
    </Link>
  );
}

function Navigation({ label, path }: { label: string; path: string }) {
  const person = useMe();
  const permissions = organizationOf(person)?.permissions ?? [];
  const isSeen = (area: Area) => area.for !== 'operator' || person.is_operator;
  const isOpen = ({ needs }: Destination) => needs === undefined || permissions.includes(needs);
  return (
    <nav aria-label={label} className={classes.navigation}>
      {areas.filter(isSeen).map((area) => (
        <div key={area.name} className={classes.area}>
          <Text size="xs" fw={600} c="dimmed" className={classes.areaName}>
            {area.name}
          </Text>
          {area.destinations.filter(isOpen).map(({ to, name, icon: Icon }) => {
            const isHere = to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`);
            return (
              <NavLink
                key={to}
                component={Link}
                to={to}
                label={name}
                active={isHere}
                aria-current={isHere ? 'page' : undefined}
                leftSection={<Icon size={18} stroke={1.6} aria-hidden="true" />}
                className={classes.link}
              />
            );
          })}
        </div>
      ))}
    </nav>
  );
}
