import { Anchor, Paper, Text, Title } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Logo } from '../ui/Logo';
import classes from './Plain.module.css';

interface PlainProps {
  title: string;
  text?: ReactNode;
  children: ReactNode;
  /** Links under the box. */
  foot?: ReactNode;
}

/** A page of one box, for those who are not in the console yet. */
export function Plain({ title, text, children, foot }: PlainProps) {
  return (
    <div className={classes.page}>
      <title>{`${title} · Farebox`}</title>
      <header>
        <Anchor component={Link} to="/" className={classes.brand} underline="never">
          <Logo />
          <span>Farebox</span>
        </Anchor>
      </header>
      <main className={classes.main}>
        <Paper className={classes.box}>
          <Title order={1} className={classes.title}>
            {title}
          </Title>
          {text && (
            <Text c="dimmed" className={classes.text}>
              {text}
            </Text>
          )}
          {children}
        </Paper>
        {foot && (
          <Text component="div" size="sm" c="dimmed" className={classes.foot}>
            {foot}
          </Text>
        )}
      </main>
    </div>
  );
}
