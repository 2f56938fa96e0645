import classes from './Status.module.css';
import { summarize } from './summary';
import type { ServerState } from './useServerState';

/** The server's state in a word; read aloud when it changes. */
export function StatusBadge({ server }: { server: ServerState }) {
  const { tone, short } = summarize(server);
  return (
    <div role="status" className={classes.badge} data-tone={tone}>
      <span className={classes.dot} aria-hidden="true" />
      {short}
    </div>
  );
}
