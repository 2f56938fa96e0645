import { Paper, Title } from '@mantine/core';
import { useId, type ReactNode } from 'react';
import classes from './Card.module.css';

/** A titled part of the page, and a landmark of that name. */
export function Card({ title, children }: { title: string; children: ReactNode }) {
  const id = useId();
  return (
    <Paper component="section" aria-labelledby={id} className={classes.card}>
      <Title order={2} id={id} className={classes.title}>
        {title}
      </Title>
      {children}
    </Paper>
  );
}
