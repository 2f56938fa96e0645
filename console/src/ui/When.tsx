import { useNow } from './now';
import { agoOf, dayOf, minuteOf, utcOf } from './time';

interface WhenProps {
  /** Seconds since 1970; nothing, or a word of yours, where it never was. */
  at: number | null | undefined;
  as?: 'ago' | 'day' | 'minute';
  never?: string;
}

/** A moment in the reader's own zone; the exact one in UTC shows on hover. */
export function When({ at, as = 'ago', never = 'Never' }: WhenProps) {
  const now = useNow();
  if (at === null || at === undefined) return <>{never}</>;
  const text = as === 'ago' ? agoOf(at, now) : as === 'day' ? dayOf(at) : minuteOf(at);
  return (
    <time dateTime={new Date(at * 1_000).toISOString()} title={utcOf(at)}>
      {text}
    </time>
  );
}
