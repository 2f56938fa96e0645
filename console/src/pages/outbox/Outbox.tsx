import { Alert, Badge, Button, Code, Group, Stack, Text } from '@mantine/core';
import { IconInbox, IconRefresh } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api, data } from '../../api/client';
import { Card } from '../../ui/Card';
import { Page } from '../../ui/Page';
import { Paged } from '../../ui/Paged';
import { Empty } from '../../ui/States';
import { When } from '../../ui/When';
import classes from './Outbox.module.css';

const EVERY_MS = 3_000;

/** The messages of an installation that sends none: a stand-in for mail and text messages. */
export default function Outbox() {
  const messages = useInfiniteQuery({
    queryKey: ['outbox'],
    initialPageParam: '',
    refetchInterval: EVERY_MS,
    retry: false,
    queryFn: ({ pageParam, signal }) =>
      data(
        api.GET('/api/outbox', {
          params: { query: { limit: 20, ...(pageParam && { after: pageParam }) } },
          signal,
        }),
      ),
    getNextPageParam: (page) => (page.has_more ? page.last_id : undefined),
  });
  return (
    <main className={classes.page}>
      <Page
        title="Outbox"
        lead="What this installation would have sent, newest first."
        actions={
          <>
            <Button component={Link} to="/" variant="default">
              To the console
            </Button>
            <Button
              variant="default"
              leftSection={<IconRefresh size={16} />}
              onClick={() => void messages.refetch()}
            >
              Look again
            </Button>
          </>
        }
      >
        <Alert color="yellow" icon={<IconInbox size={18} />} title="A stand-in, for this machine alone">
          No mail and no text message leaves this installation: [mail] and [sms] of farebox.toml say
          “outbox”. Nobody but callers on this machine sees this page.
        </Alert>
        <Paged
          query={messages}
          empty={<Empty title="Nothing yet" text="Codes and notices appear here as they are made." />}
        >
          {(rows) => (
            <Stack gap="md">
              {rows.map(({ id, channel, to, subject, text, created_at: at }) => (
                <Card
                  key={id}
                  isOneOfMany
                  title={subject ?? 'Text message'}
                  text={
                    <Group gap="xs" component="span">
                      <Badge variant="light" color={channel === 'mail' ? 'fare' : 'blue'}>
                        {channel === 'mail' ? 'Mail' : 'SMS'}
                      </Badge>
                      <Text component="span" size="sm">
                        to {to}, <When at={at} />
                      </Text>
                    </Group>
                  }
                >
                  <Code block className={classes.text}>
                    {text}
                  </Code>
                </Card>
              ))}
            </Stack>
          )}
        </Paged>
      </Page>
    </main>
  );
}
