import { Progress as Bar, Skeleton, Text } from '@mantine/core';
import { IconCircle, IconCircleCheckFilled } from '@tabler/icons-react';
import { Card } from '../../ui/Card';
import classes from './Checklist.module.css';
import { useProgress, type Progress } from './progress';

const STEPS: { name: string; isDone: (progress: Progress) => boolean }[] = [
  { name: 'Account verified', isDone: (progress) => progress.isVerified },
  { name: 'API key created', isDone: (progress) => progress.hasKey },
  { name: 'First request answered', isDone: (progress) => progress.hasCalled },
];

/** What is done, and what is next. */
export function Checklist() {
  const progress = useProgress();
  if (!progress) return <Skeleton height={132} radius="lg" />;
  const done = STEPS.filter(({ isDone }) => isDone(progress)).length;
  return (
    <Card title={done === STEPS.length ? 'You are set up' : 'Getting started'}>
      <Bar
        value={(done / STEPS.length) * 100}
        aria-label={`${done} of ${STEPS.length} steps done`}
        mb="md"
      />
      <ul className={classes.steps}>
        {STEPS.map(({ name, isDone }) => {
          const isIt = isDone(progress);
          return (
            <li key={name} data-done={isIt} className={classes.step}>
              {isIt ? (
                <IconCircleCheckFilled size={20} aria-label="Done:" />
              ) : (
                <IconCircle size={20} aria-label="To do:" />
              )}
              <Text size="sm">{name}</Text>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
