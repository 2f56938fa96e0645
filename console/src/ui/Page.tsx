import { Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './Page.module.css';

interface PageProps {
  title: string;
  /** One sentence: what is here. */
  lead?: ReactNode;
  /** Buttons that act on the page as a whole. */
  actions?: ReactNode;
  children: ReactNode;
}

/** What every view of the console is in: its name, what it is for, its actions. */
export function Page({ title, lead, actions, children }: PageProps) {
  return (
    <>
      <title>{`${title} · Farebox`}</title>
      <header className={classes.head}>
        <div>
          <Title order={1} className={classes.title}>
            {title}
          </Title>
          {lead && (
            <Text c="dimmed" className={classes.lead}>
              {lead}
            </Text>
          )}
        </div>
        {actions && <div className={classes.actions}>{actions}</div>}
      </header>
      <div className={classes.body}>{children}</div>
    </>
  );
}
