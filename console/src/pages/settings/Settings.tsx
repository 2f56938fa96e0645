import { Code, Text } from '@mantine/core';
import { useOrganization } from '../../session/me';
import { Card } from '../../ui/Card';
import { Copyable } from '../../ui/Copyable';
import { Page } from '../../ui/Page';
import { AdminKeys } from './AdminKeys';
import { Prompts } from './Prompts';

/** What belongs to the organization as a whole. */
export default function Settings() {
  const { id, name } = useOrganization();
  return (
    <Page title="Settings" lead={`What belongs to ${name} as a whole.`}>
      <Card title="Organization id" text="Programs name it in the header OpenAI-Organization.">
        <Copyable name="organization id" text={id} />
      </Card>
      <AdminKeys />
      <Prompts />
      <Card title="Administration API">
        <Text size="sm">
          Everything here can be done by programs, in OpenAI’s format: make an admin key and set{' '}
          <Code>OPENAI_ADMIN_KEY</Code> and the base URL.
        </Text>
      </Card>
    </Page>
  );
}
