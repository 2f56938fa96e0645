import { Start } from '../../start/Start';

/** The same call from a program of one's own. */
export function Snippets() {
  return <Start title="3. Call it from your program" />;
}
