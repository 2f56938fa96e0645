/** The second that a field of the type `datetime-local` names, in the reader's zone. */
export function secondsOf(field: string): number | undefined {
  const at = Date.parse(field);
  return Number.isFinite(at) ? Math.floor(at / 1_000) : undefined;
}
