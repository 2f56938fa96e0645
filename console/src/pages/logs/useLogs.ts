import { useEffect, useState } from 'react';
import { api, data } from '../../api/client';
import { usePaged } from '../../api/paged';
import type { Schemas } from '../../api/types';
import { queryOf, type Look } from './filter';

export type Entry = Schemas['LogEntry'];

const PAGE = 50;
const EVERY_MS = 1_000;
const AFTER_FAILURE_MS = 5_000;
/** The most requests of a live log that a page keeps. */
const MOST_LIVE = 500;

const seconds = () => Date.now() / 1_000;

/** The log, the latest first, page by page. */
export function useLogs(look: Look) {
  return usePaged<Entry>({
    key: ['logs', 'list', look.filter, look.span],
    read: (place, signal) =>
      data(
        api.GET('/api/logs', {
          params: { query: { limit: PAGE, ...queryOf(look, seconds()), ...place } },
          signal,
        }),
      ),
  });
}

/** What ended since a place in the log, the latest first: asked for once a second while it is live. */
export function useFollowed(look: Look, from: string | undefined): Entry[] {
  const [entries, setEntries] = useState<Entry[]>([]);
  const { isLive, filter } = look;
  const asked = JSON.stringify(filter);
  useEffect(() => {
    if (!isLive || from === undefined) return;
    const controller = new AbortController();
    let after = from;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      let pause = AFTER_FAILURE_MS;
      try {
        const only = queryOf({ filter: JSON.parse(asked) as Look['filter'], span: 'any', isLive }, 0);
        const page = await data(
          api.GET('/api/logs', {
            params: { query: { ...only, order: 'asc', limit: 200, after } },
            signal: controller.signal,
          }),
        );
        after = page.next ?? after;
        pause = page.has_more ? 0 : EVERY_MS;
        if (page.data.length > 0) {
          setEntries((before) => [...page.data.toReversed(), ...before].slice(0, MOST_LIVE));
        }
      } catch {
        if (controller.signal.aborted) return;
      }
      timer = setTimeout(() => void ask(), pause);
    };
    void ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [isLive, from, asked]);
  return entries;
}

/** Entries of both, each once: what is followed begins a little before the list ends. */
export function merged(followed: Entry[], listed: Entry[]): Entry[] {
  const seen = new Map<string, Entry>();
  for (const entry of [...followed, ...listed]) if (!seen.has(entry.id)) seen.set(entry.id, entry);
  return [...seen.values()];
}
