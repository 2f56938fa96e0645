import { Group, Stack, Text } from '@mantine/core';
import { exactUsd } from '../../ui/money';
import classes from './Playground.module.css';
import type { Chat } from './useChat';

/** What the model says, and what it took so far. */
export function Answer({ of: chat }: { of: Chat }) {
  return (
    <Stack gap="sm">
      <div className={classes.answer} role="log" aria-label="Answer" aria-busy={chat.isRunning}>
        {chat.text || (
          <Text c="dimmed" size="sm">
            {chat.isRunning ? 'Waiting for the first word…' : 'What the model says appears here.'}
          </Text>
        )}
      </div>
      <Group gap="md" role="status">
        {chat.tokens && (
          <Text size="sm">
            {chat.tokens.input} tokens in, {chat.tokens.output} out
          </Text>
        )}
        {chat.cost !== null && <Text size="sm">cost {exactUsd(chat.cost)}</Text>}
        {chat.balance !== null && <Text size="sm">balance {exactUsd(chat.balance)}</Text>}
        {chat.firstMs !== null && <Text size="sm">first word after {chat.firstMs} ms</Text>}
        {chat.totalMs !== null && <Text size="sm">{chat.totalMs} ms in all</Text>}
        {chat.reason && chat.reason !== 'stop' && <Text size="sm">ended: {chat.reason}</Text>}
      </Group>
    </Stack>
  );
}
