import { useNavigate, useSearch } from '@tanstack/react-router';
import type { Split } from './revenue';

/** What the address of the page of revenue says is looked at, so that a link shows the same. */
export interface RevenueLook {
  /** A span's name. */
  range?: string | number;
  /** What sums are split by. */
  by?: Split;
  /** Which organizations come first. */
  order?: string;
}

/** What is looked at, and how to look at something else. */
export function useRevenueLook(): [RevenueLook, (change: RevenueLook) => void] {
  const look: RevenueLook = useSearch({ strict: false });
  const navigate = useNavigate();
  const set = (change: RevenueLook) => {
    void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }) });
  };
  return [look, set];
}
