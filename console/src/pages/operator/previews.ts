import { monthSoFar } from '../usage/range';

/** Which time a preview of prices looks at: the last month is what the API takes if none is named. */
export const PREVIEW_SPANS = [
  { value: 'last', label: 'Last month' },
  { value: 'this', label: 'This month so far' },
];

/** The time of such a name, as the API takes it. */
export function previewSpan(name: string): { start_time?: number; end_time?: number } {
  if (name !== 'this') return {};
  const { start, end } = monthSoFar(Date.now() / 1_000);
  return { start_time: start, end_time: end };
}
