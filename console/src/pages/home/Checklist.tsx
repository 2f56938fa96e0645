import { Anchor, Progress as Bar, Skeleton, Text } from '@mantine/core';
import { IconCircle, IconCircleCheckFilled } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { Card } from '../../ui/Card';
import classes from './Checklist.module.css';
import { useProgress, type Progress } from './progress';

interface Step {
  name: string;
  /** Null where it is not theirs to see. */
  isDone: (progress: Progress) => boolean | null;
  /** Where it is done, if not on this page. */
  to?: string;
}

const STEPS: Step[] = [
  { name: 'Account verified', isDone: (progress) => progress.isVerified },
  { name: 'API key created', isDone: (progress) => progress.hasKey },
  { name: 'Credit to spend', isDone: (progress) => progress.hasCredit, to: '/billing' },
  { name: 'First request answered', isDone: (progress) => progress.hasCalled },
];

/** What is done, and what is next. */
export function Checklist() {
  const progress = useProgress();
  if (!progress) return <Skeleton height={132} radius="lg" />;
  const steps = STEPS.filter(({ isDone }) => isDone(progress) !== null);
  const done = steps.filter(({ isDone }) => isDone(progress)).length;
  return (
    <Card title={done === steps.length ? 'You are set up' : 'Getting started'}>
      <Bar
        value={(done / steps.length) * 100}
        aria-label={`${done} of ${steps.length} steps done`}
        mb="md"
      />
      <ul className={classes.steps}>
        {steps.map(({ name, isDone, to }) => {
          const isIt = isDone(progress) === true;
          return (
            <li key={name} data-done={isIt} className={classes.step}>
              {isIt ? (
                <IconCircleCheckFilled size={20} aria-label="Done:" />
              ) : (
                <IconCircle size={20} aria-label="To do:" />
              )}
              {isIt || to === undefined ? (
                <Text size="sm">{name}</Text>
              ) : (
                <Anchor component={Link} to={to} size="sm">
                  {name}
                </Anchor>
              )}
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
