/**
 * A key for one attempt to do something that must not be done twice: sent again, it is the same
 * attempt. Browsers have `crypto.randomUUID` on https and localhost alone; this works on plain http.
 */
export function attemptKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
