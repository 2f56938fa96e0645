import { Button, Skeleton, Text, Title } from '@mantine/core';
import { IconLock, IconMoodEmpty, IconPlugConnectedX } from '@tabler/icons-react';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { ApiError, messageOf } from '../api/error';
import classes from './States.module.css';

interface StateProps {
  icon: ReactNode;
  title: string;
  text: ReactNode;
  action?: ReactNode;
  isAlert?: boolean;
}

function State({ icon, title, text, action, isAlert = false }: StateProps) {
  return (
    <div className={classes.state} role={isAlert ? 'alert' : undefined}>
      <span aria-hidden="true" className={classes.icon}>
        {icon}
      </span>
      <Title order={2} className={classes.title}>
        {title}
      </Title>
      <Text c="dimmed" className={classes.text}>
        {text}
      </Text>
      {action}
    </div>
  );
}

interface EmptyProps {
  title: string;
  /** What would be here, and how to get it. */
  text: ReactNode;
  action?: ReactNode;
}

/** There is nothing yet. */
export function Empty(props: EmptyProps) {
  return <State icon={<IconMoodEmpty size={28} />} {...props} />;
}

/** Something went wrong; `retry` asks again. */
export function Failed({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  if (error instanceof ApiError && error.isForbidden) {
    return (
      <State
        icon={<IconLock size={28} />}
        title="You may not see this"
        text={<>{error.message} Owners of the organization can give you a role that may.</>}
      />
    );
  }
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <State
      isAlert
      icon={<IconPlugConnectedX size={28} />}
      title="This could not be read"
      text={
        <>
          {messageOf(error)}
          {requestId && <span className={classes.request}>Request {requestId}</span>}
        </>
      }
      action={
        retry && (
          <Button variant="default" onClick={retry}>
            Try again
          </Button>
        )
      }
    />
  );
}

/** Lines where text will be: as many as there will be, so that nothing jumps. */
export function Loading({ lines = 5, height = 20 }: { lines?: number; height?: number }) {
  return (
    <div className={classes.loading} role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton key={line} height={height} radius="sm" />
      ))}
    </div>
  );
}

interface AnsweredProps<T> {
  query: UseQueryResult<T>;
  /** What stands there meanwhile. */
  loading?: ReactNode;
  children: (data: T) => ReactNode;
}

/** What a query answered, or how it stands: every view that reads something has all of it. */
export function Answered<T>({ query, loading, children }: AnsweredProps<T>) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.isError) {
    return (
      <Failed
        error={query.error}
        retry={() => {
          void query.refetch();
        }}
      />
    );
  }
  return <>{loading ?? <Loading />}</>;
}
