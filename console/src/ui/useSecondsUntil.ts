import { useEffect, useState } from 'react';

const secondsUntil = (at: number | null) =>
  at === null ? 0 : Math.max(0, Math.ceil(at - Date.now() / 1_000));

/** Seconds until a moment (in seconds since 1970), counted down; 0 when it is over. */
export function useSecondsUntil(at: number | null): number {
  const [, tick] = useState(0);
  const left = secondsUntil(at);
  useEffect(() => {
    if (secondsUntil(at) === 0) return;
    const timer = setInterval(() => {
      tick((count) => count + 1);
      if (secondsUntil(at) === 0) clearInterval(timer);
    }, 500);
    return () => {
      clearInterval(timer);
    };
  }, [at]);
  return left;
}
