import { Text } from '@mantine/core';
import { Card } from '../ui/Card';
import classes from './Status.module.css';
import { summarize, type Tone } from './summary';
import type { Probe, ServerState } from './useServerState';

const WORDS: Record<Probe, { tone: Tone; word: string }> = {
  checking: { tone: 'waiting', word: 'checking…' },
  ok: { tone: 'good', word: 'ok' },
  failing: { tone: 'bad', word: 'failing' },
  unreachable: { tone: 'bad', word: 'no answer' },
};

/** Both probes by name, and what they mean together. */
export function StatusCard({ server }: { server: ServerState }) {
  return (
    <Card title="This server">
      <dl className={classes.probes}>
        <Row name="Answering" path="/healthz" probe={server.alive} />
        <Row name="Ledger commits" path="/readyz" probe={server.ready} />
      </dl>
      <Text size="sm" c="dimmed" className={classes.long}>
        {summarize(server).long}
      </Text>
    </Card>
  );
}

function Row({ name, path, probe }: { name: string; path: string; probe: Probe }) {
  const { tone, word } = WORDS[probe];
  return (
    <div className={classes.probe}>
      <dt>
        {name} <span className={classes.probePath}>{path}</span>
      </dt>
      <dd data-tone={tone}>
        <span className={classes.dot} aria-hidden="true" />
        {word}
      </dd>
    </div>
  );
}
