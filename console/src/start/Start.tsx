import { Tabs, Text, Title } from '@mantine/core';
import { Card } from '../ui/Card';
import { Copyable } from '../ui/Copyable';
import { exportKey, installation, snippets } from './snippets';
import classes from './Start.module.css';

/** From nothing to a first answer, with this server's own address filled in. */
export function Start({ title = 'First request' }: { title?: string }) {
  const baseUrl = `${window.location.origin}/v1`;
  return (
    <Card title={title}>
      <Step title="Use this base URL">
        <Copyable name="base URL" text={baseUrl} />
      </Step>
      <Step title="Put your key where programs look for it">
        <Text size="sm" c="dimmed">
          Keys are made here in the console; <code>farebox setup</code> printed the first one.
        </Text>
        <Copyable name="export command" text={exportKey} />
      </Step>
      <Step title="Say hello">
        <Tabs
          defaultValue="python"
          keepMounted={false}
          color="var(--farebox-good)"
          className={classes.tabs}
        >
          <Tabs.List aria-label="Language">
            {snippets.map(({ id, name }) => (
              <Tabs.Tab key={id} value={id}>
                {name}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {snippets.map(({ id, name, write }) => (
            <Tabs.Panel key={id} value={id} className={classes.panel}>
              {installation[id] && <Copyable name="install command" text={installation[id]} />}
              <Copyable name={`${name} program`} text={write(baseUrl)} />
            </Tabs.Panel>
          ))}
        </Tabs>
      </Step>
    </Card>
  );
}

function Step({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className={classes.step}>
      <Title order={3} className={classes.stepTitle}>
        {title}
      </Title>
      {children}
    </div>
  );
}
