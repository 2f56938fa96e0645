import { Anchor, Code, Text } from '@mantine/core';
import { Card } from '../ui/Card';
import classes from './Reference.module.css';

/** Where to read on: what this server serves, and what lies beside its source. */
export function Reference() {
  return (
    <Card title="Reference">
      <ul className={classes.list}>
        <li>
          <Anchor href="/openapi.json" size="sm" underline="always">
            OpenAPI document
          </Anchor>
          <Text size="sm" c="dimmed">
            Every endpoint, field and error, for people and generators.
          </Text>
        </li>
        <li>
          <Anchor href="/metrics" size="sm" underline="always">
            Metrics
          </Anchor>
          <Text size="sm" c="dimmed">
            For Prometheus: requests, latencies, money in flight.
          </Text>
        </li>
        <li>
          <Text size="sm">
            <Code color="var(--farebox-well)">docs/errors.md</Code> and <Code color="var(--farebox-well)">docs/ledger.md</Code>
          </Text>
          <Text size="sm" c="dimmed">
            Beside the source: what each error means, and how money moves.
          </Text>
        </li>
      </ul>
    </Card>
  );
}
