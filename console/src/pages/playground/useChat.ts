import { useEffect, useRef, useState } from 'react';
import { messageOf } from '../../api/error';
import { PageKey } from './pageKey';
import { streamChat, type Tokens } from './stream';

export interface Chat {
  text: string;
  tokens: Tokens | null;
  cost: string | null;
  balance: string | null;
  /** Milliseconds to the first piece, and to the end. */
  firstMs: number | null;
  totalMs: number | null;
  reason: string | null;
  problem: string | null;
  isRunning: boolean;
  send: (request: object) => Promise<void>;
  stop: () => void;
}

const NOTHING = {
  text: '',
  tokens: null,
  cost: null,
  balance: null,
  firstMs: null,
  totalMs: null,
  reason: null,
  problem: null,
};

/** One call at a time, its answer as it comes. The key is revoked when the page is left. */
export function useChat(project: string | undefined): Chat {
  const [state, setState] = useState<Omit<Chat, 'isRunning' | 'send' | 'stop'>>(NOTHING);
  const [isRunning, setIsRunning] = useState(false);
  const stopping = useRef<AbortController | null>(null);
  const key = useRef(new PageKey());

  useEffect(() => {
    const held = key.current;
    return () => {
      stopping.current?.abort();
      held.end();
    };
  }, []);

  const send = async (request: object) => {
    if (project === undefined) return;
    const controller = new AbortController();
    stopping.current = controller;
    setIsRunning(true);
    setState(NOTHING);
    const begun = performance.now();
    const change = (part: Partial<typeof state>) => {
      setState((before) => ({ ...before, ...part }));
    };
    try {
      const secret = await key.current.of(project);
      for await (const piece of streamChat(secret, request, controller.signal)) {
        const ms = Math.round(performance.now() - begun);
        if (piece.kind === 'usage') change({ tokens: piece.tokens });
        else if (piece.kind === 'cost') change({ cost: piece.cost, balance: piece.balance });
        else if (piece.kind === 'end') change({ reason: piece.reason });
        else {
          setState((before) => ({
            ...before,
            text: before.text + piece.text,
            firstMs: before.firstMs ?? ms,
          }));
        }
      }
    } catch (error) {
      if (controller.signal.aborted) change({ reason: 'stopped' });
      else change({ problem: messageOf(error) });
    }
    change({ totalMs: Math.round(performance.now() - begun) });
    setIsRunning(false);
  };

  return {
    ...state,
    isRunning,
    send,
    stop: () => {
      stopping.current?.abort();
    },
  };
}
