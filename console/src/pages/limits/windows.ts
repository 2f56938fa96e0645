/** What budgets count over. */
export const WINDOWS = [
  { value: 'day', label: 'A day' },
  { value: 'week', label: 'A week' },
  { value: 'month', label: 'A month' },
  { value: 'always', label: 'For good' },
];

/** As "a day". */
export function windowName(window: string): string {
  return (WINDOWS.find(({ value }) => value === window)?.label ?? window).toLowerCase();
}
