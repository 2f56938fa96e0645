import { useNavigate, useSearch } from '@tanstack/react-router';
import { between, isoDay, monthSoFar, rangeNamed, type Range } from './range';
import type { Grouping, Measure, Only } from './report';

/** What the address of the page says is looked at, so that a link shows the same. */
export interface Look {
  measure?: Measure;
  by?: Grouping;
  range?: string | number;
  from?: string;
  to?: string;
  only?: Only;
  /** The budget that a line is drawn for: its id, or `none`. */
  budget?: string;
}

/** What is looked at, and how to look at something else. */
export function useLook(): [Look, (change: Partial<Look>) => void] {
  const look: Look = useSearch({ strict: false });
  const navigate = useNavigate();
  return [
    look,
    (change) => {
      void navigate({ to: '.', search: (before: object) => ({ ...before, ...change }) });
    },
  ];
}

/** The time that is looked at; a custom one that is no span is this month. */
export function rangeOf(look: Look, now: number): Range {
  if (look.range !== 'custom') return rangeNamed(look.range, now);
  return between(look.from ?? '', look.to ?? '', now) ?? monthSoFar(now);
}

/** One day, hour by hour. */
export function atDay(start: number): Partial<Look> {
  const day = isoDay(start);
  return { range: 'custom', from: day, to: day };
}

/** What is asked next about a part of the whole: of a model which project, of a project which key. */
const NEXT: Grouping[] = ['model', 'project_id', 'api_key_id', 'user_id'];

/** Looks into one series: only that, split by what is not told apart yet; null if nothing is left. */
export function into(look: Look, grouping: Grouping, series: string): Partial<Look> | null {
  const only: Only = { ...look.only, [grouping]: [series] };
  const by = NEXT.find((next) => (only[next] ?? []).length !== 1);
  return by === undefined ? null : { only, by };
}

/** Looks at everything again, of one kind. */
export function without(look: Look, grouping: Grouping): Partial<Look> {
  const only = { ...look.only };
  Reflect.deleteProperty(only, grouping);
  return { only };
}
