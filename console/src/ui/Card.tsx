import { Paper, Text, Title } from '@mantine/core';
import { useId, type ReactNode } from 'react';
import classes from './Card.module.css';

interface CardProps {
  title: string;
  /** One sentence under the title. */
  text?: ReactNode;
  /** A button or two beside the title. */
  actions?: ReactNode;
  /** Whether it is one of many of its kind, such as a message: then it is no landmark. */
  isOneOfMany?: boolean;
  children: ReactNode;
}

/** A titled part of the page, and a landmark of that name. */
export function Card({ title, text, actions, isOneOfMany = false, children }: CardProps) {
  const id = useId();
  return (
    <Paper component={isOneOfMany ? 'article' : 'section'} aria-labelledby={id} className={classes.card}>
      <div className={classes.head}>
        <div>
          <Title order={2} id={id} className={classes.title}>
            {title}
          </Title>
          {text && (
            <Text size="sm" c="dimmed">
              {text}
            </Text>
          )}
        </div>
        {actions}
      </div>
      {children}
    </Paper>
  );
}
