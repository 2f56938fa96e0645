import { Code, List, Stack, Text } from '@mantine/core';
import { Card } from '../../ui/Card';
import { Copyable } from '../../ui/Copyable';

/** How tools without code are told of this server: the key goes into their vaults, never into a step. */
export function NoCode() {
  const origin = window.location.origin;
  return (
    <Card title="4. Or from a tool without code">
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          Whatever speaks OpenAI’s API takes this base URL. Keep the key in the tool’s own store for
          credentials, not in a step or a prompt.
        </Text>
        <Copyable name="base URL for tools" text={`${origin}/v1`} />
        <List size="sm" spacing="xs">
          <List.Item>
            <b>n8n</b>: Credentials, OpenAI: paste the key, and the base URL under “Base URL”.
          </List.Item>
          <List.Item>
            <b>Make</b>: the HTTP module with an API key credential: header <Code>Authorization</Code>
            , value <Code>Bearer</Code> and the key, to <Code>{`${origin}/v1/chat/completions`}</Code>.
          </List.Item>
          <List.Item>
            <b>Zapier</b>: Webhooks by Zapier, custom request, with the same header and address.
          </List.Item>
          <List.Item>
            <b>Postman</b>: Import, Link: <Code>{`${origin}/openapi.json`}</Code>; then a variable of
            the type “secret” for the key, used as bearer token.
          </List.Item>
        </List>
        <Text size="sm" c="dimmed">
          A hosted tool must reach this server: an address such as 127.0.0.1 is this machine alone.
        </Text>
      </Stack>
    </Card>
  );
}
