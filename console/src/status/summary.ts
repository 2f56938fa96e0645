import type { ServerState } from './useServerState';

export type Tone = 'waiting' | 'good' | 'bad';

export interface Summary {
  tone: Tone;
  /** Two or three words, for the badge. */
  short: string;
  /** What it means and what to do. */
  long: string;
}

export function summarize({ alive, ready }: ServerState): Summary {
  if (alive === 'checking' || ready === 'checking') {
    return { tone: 'waiting', short: 'Checking…', long: 'Asking the server how it is.' };
  }
  if (alive === 'unreachable') {
    return {
      tone: 'bad',
      short: 'Not reachable',
      long: 'The server does not answer. Is “farebox serve” still running?',
    };
  }
  if (alive === 'ok' && ready === 'ok') {
    return { tone: 'good', short: 'Ready', long: 'Requests are taken, and every one is billed.' };
  }
  return {
    tone: 'bad',
    short: 'Not ready',
    long: 'The server runs but cannot commit to its ledger, so it takes no requests. Its log says why; a full disk or a lost database are the usual causes.',
  };
}
