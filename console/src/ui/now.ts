import { useSyncExternalStore } from 'react';

const EVERY_MS = 30_000;
const seconds = () => Math.floor(Date.now() / 1_000);

let current = seconds();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  current = seconds();
  timer ??= setInterval(() => {
    current = seconds();
    for (const tell of listeners) tell();
  }, EVERY_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Now in seconds since 1970, renewed twice a minute: one clock for the page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => current);
}
