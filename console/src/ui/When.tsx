import { useNow } from './now';
import { agoOf, dayOf, minuteOf, secondOf, utcOf } from './time';

const FORMATS = { ago: agoOf, day: dayOf, minute: minuteOf, second: secondOf };

interface WhenProps {
  /** Seconds since 1970; nothing, or a word of yours, where it never was. */
  at: number | null | undefined;
  as?: keyof typeof FORMATS;
  never?: string;
}

/** A moment in the reader's own zone; the exact one in UTC shows on hover. */
export function When({ at, as = 'ago', never = 'Never' }: WhenProps) {
  const now = useNow();
  if (at === null || at === undefined) return <>{never}</>;
  const text = FORMATS[as](at, now);
  return (
    <time dateTime={new Date(at * 1_000).toISOString()} title={utcOf(at)}>
      {text}
    </time>
  );
}
