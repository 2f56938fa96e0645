import { useEffect, useState } from 'react';

/** What one probe said. `failing`: it answered, but not well; `unreachable`: nothing answered. */
export type Probe = 'checking' | 'ok' | 'failing' | 'unreachable';

export interface ServerState {
  /** `/healthz`: the process answers. */
  alive: Probe;
  /** `/readyz`: the ledger can commit, so requests are taken. */
  ready: Probe;
}

const EVERY_MS = 10_000;
const PATIENCE_MS = 4_000;

/** Asks both probes now, every ten seconds, and when the page comes back into view. */
export function useServerState(): ServerState {
  const [state, setState] = useState<ServerState>({ alive: 'checking', ready: 'checking' });

  useEffect(() => {
    const leaving = new AbortController();
    const look = async () => {
      if (document.hidden) return;
      const [alive, ready] = await Promise.all([
        probe('/healthz', leaving.signal),
        probe('/readyz', leaving.signal),
      ]);
      if (!leaving.signal.aborted) setState({ alive, ready });
    };
    const lookNow = () => void look();
    lookNow();
    const timer = setInterval(lookNow, EVERY_MS);
    document.addEventListener('visibilitychange', lookNow, { signal: leaving.signal });
    return () => {
      clearInterval(timer);
      leaving.abort();
    };
  }, []);

  return state;
}

async function probe(path: string, leaving: AbortSignal): Promise<Probe> {
  try {
    const signal = AbortSignal.any([leaving, AbortSignal.timeout(PATIENCE_MS)]);
    const answer = await fetch(path, { signal, cache: 'no-store' });
    return answer.ok ? 'ok' : 'failing';
  } catch {
    return 'unreachable';
  }
}
